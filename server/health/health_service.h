#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace slotmatch {

class HealthWatcher;

// grpc.health.v1.Health with the services "" and "liveness" (SERVING as long as the process is
// sound) and "readiness", "slotmatch.v1.SlotMatchService", "inference.GRPCInferenceService"
// (SERVING while sessions are taken). One table for every port that has it. Unlike gRPC's own
// service it has a descriptor, so that reflection describes it. Thread-safe; outlives the gRPC
// servers.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  HealthService();
  ~HealthService() override;

  void SetReady(bool ready);
  void SetAlive(bool alive);

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* call,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  // Says the status at once and whenever it changes. SERVICE_UNKNOWN for a name that is not there.
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* call,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;
  void Set(const std::vector<std::string>& services, bool serving);

  absl::Mutex mutex_;
  std::map<std::string, Status> statuses_ ABSL_GUARDED_BY(mutex_);
  std::multimap<std::string, std::weak_ptr<HealthWatcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
