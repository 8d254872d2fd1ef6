#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/session_state.h"
#include "core/engine/session_tracks.h"
#include "core/engine/worker_pool.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/session_registry.h"
#include "server/security/token_table.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// What every RPC works with. All borrowed from the app, which outlives the gRPC server.
struct ServiceContext {
  config::LimitsConfig limits;
  std::vector<ModelInfo> models;                         // the first is the default
  std::vector<std::shared_ptr<Segmenter>> segmenters;    // by model
  std::vector<std::shared_ptr<const Tracker>> trackers;  // by model
  BatchScheduler* scheduler;
  WorkerPool* pool;
  SessionRegistry* sessions;
  ServerMetrics* metrics;
  StateSealer sealer;
  const TokenTable* tokens = nullptr;  // null: no token is asked for

  // Index of a model; empty name: the default, empty version: any. NOT_FOUND names the models
  // there are.
  absl::StatusOr<size_t> FindModel(const std::string& name, const std::string& version = "") const;

  // The model of a session and where it begins: at `config.resume` if there is one, which is
  // counted, then with the statuses of StateSealer::Open.
  absl::StatusOr<StateSealer::Opened> Begin(const v1::SessionConfig& config) const;
};

// A place for the session of a call that may infer. Statuses of Authorize() and Admit().
inline absl::StatusOr<std::string> AdmitCall(const ServiceContext& service,
                                             const grpc::CallbackServerContext& call,
                                             const std::shared_ptr<LiveSession>& session) {
  const absl::Status allowed = Authorize(service.tokens, call, kRoleInfer);
  if (!allowed.ok()) return allowed;
  return service.sessions->Admit(session);
}

}  // namespace slotmatch
