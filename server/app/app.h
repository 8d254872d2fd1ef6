#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "core/engine/admission.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/worker_pool.h"
#include "server/admin/admin_service.h"
#include "server/health/health_service.h"
#include "server/metrics/server_metrics.h"
#include "server/models/model_store.h"
#include "server/rpc/kserve_service.h"
#include "server/rpc/service_context.h"
#include "server/rpc/session_registry.h"
#include "server/rpc/slotmatch_service.h"

namespace slotmatch {

// The running server: wires engine, service, health and metrics; starts and stops them. Methods are
// called from one thread.
class ServerApp {
 public:
  // Loads every model and warms it up on the executor thread, then opens the ports and becomes
  // ready. UNAVAILABLE when a port is taken; FAILED_PRECONDITION when two models share name and
  // version or the key file is too short, NOT_FOUND when there is none; statuses of `load`.
  // `stop` begins the end of the process when an administrator asks for it, and returns at once.
  static absl::StatusOr<std::unique_ptr<ServerApp>> Start(
      const config::ServeConfig& config, ModelLoader load, std::function<void()> stop = [] {});
  ~ServerApp();  // Drain() with no patience, unless drained

  int grpc_port() const { return grpc_port_; }
  int probe_port() const { return probe_port_; }      // 0: none
  int metrics_port() const { return metrics_port_; }  // 0: none
  int admin_port() const { return admin_port_; }      // 0: none
  const ModelStore& models() const { return models_; }
  ServerMetrics& metrics() { return metrics_; }

  // Not ready -> lame duck -> no new sessions, open ones are told to move -> they go until the
  // drain deadline -> the frames inside are answered and streams end with their state and
  // UNAVAILABLE -> joined.
  void Drain();

 private:
  ServerApp(const config::ServeConfig& config, SchedulePolicy policy, ModelLoader load,
            std::function<void()> stop);
  SchedulerOptions MakeSchedulerOptions(SchedulePolicy policy);
  absl::Status ReadTokens();
  absl::Status LoadModels();
  absl::Status Listen();
  absl::Status ListenForProbes();
  absl::Status ListenForAdmins();
  absl::Status ExposeMetrics();
  std::vector<ModelSample> SampleModels() const;
  void Janitor();
  void WatchEngine();
  void Stop(absl::Duration patience);

  const config::ServeConfig config_;
  ServerMetrics metrics_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<BatchScheduler> scheduler_;
  Admission admission_;
  ModelStore models_;
  SessionRegistry sessions_;
  std::unique_ptr<TokenTable> tokens_;  // null: no token is asked for
  Tracer tracer_;
  WorkerPool admin_jobs_;
  ServiceContext context_;
  AdminContext admin_context_;
  SlotMatchService service_;
  KServeService kserve_;
  AdminService admin_;
  HealthService health_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> probe_server_;  // null: none
  std::unique_ptr<grpc::Server> admin_server_;  // null: none
  int grpc_port_ = 0;
  int probe_port_ = 0;
  int metrics_port_ = 0;
  int admin_port_ = 0;
  bool stuck_ = false;                                // of the janitor
  absl::Time spare_returned_ = absl::InfinitePast();  // of the janitor
  absl::Notification stopping_;
  std::thread janitor_;
};

}  // namespace slotmatch
