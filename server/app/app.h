#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "core/engine/admission.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/worker_pool.h"
#include "server/health/health_service.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/kserve_service.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_registry.h"
#include "server/rpc/slotmatch_service.h"

namespace slotmatch {

struct ServedSegmenter {
  std::shared_ptr<Segmenter> segmenter;
  absl::Duration load_time;
};

// The running server: wires engine, service, health and metrics; starts and stops them. Methods are
// called from one thread.
class ServerApp {
 public:
  // Warms every model up on the executor thread, then opens the ports and becomes ready.
  // UNAVAILABLE when a port is taken; FAILED_PRECONDITION when two models share a name or the key
  // file is too short, NOT_FOUND when there is none.
  static absl::StatusOr<std::unique_ptr<ServerApp>> Start(const config::ServeConfig& config,
                                                          std::vector<ServedSegmenter> models);
  ~ServerApp();  // Drain() with no patience, unless drained

  int grpc_port() const { return grpc_port_; }
  int probe_port() const { return probe_port_; }      // 0: none
  int metrics_port() const { return metrics_port_; }  // 0: none
  const std::vector<ModelInfo>& models() const { return context_.models; }
  ServerMetrics& metrics() { return metrics_; }

  // Not ready -> lame duck -> no new sessions, open ones are told to move -> they go until the
  // drain deadline -> the frames inside are answered and streams end with their state and
  // UNAVAILABLE -> joined.
  void Drain();

 private:
  ServerApp(const config::ServeConfig& config, SchedulePolicy policy,
            std::vector<ServedSegmenter> models);
  SchedulerOptions MakeSchedulerOptions(SchedulePolicy policy);
  absl::Status ReadTokens();
  absl::Status WarmUp();
  absl::Status Listen();
  absl::Status ListenForProbes();
  void Janitor();
  void WatchEngine();
  void Stop(absl::Duration patience);

  const config::ServeConfig config_;
  std::vector<ServedSegmenter> models_;
  ServerMetrics metrics_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<BatchScheduler> scheduler_;
  Admission admission_;
  SessionRegistry sessions_;
  std::unique_ptr<TokenTable> tokens_;  // null: no token is asked for
  ServiceContext context_;
  SlotMatchService service_;
  KServeService kserve_;
  HealthService health_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> probe_server_;  // null: none
  int grpc_port_ = 0;
  int probe_port_ = 0;
  int metrics_port_ = 0;
  bool stuck_ = false;  // of the janitor
  absl::Notification stopping_;
  std::thread janitor_;
};

}  // namespace slotmatch
