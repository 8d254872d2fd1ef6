#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/session_state.h"
#include "core/engine/worker_pool.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/session_registry.h"
#include "slotmatch/config/serve.pb.h"

namespace slotmatch {

// What every RPC works with. All borrowed from the app, which outlives the gRPC server.
struct ServiceContext {
  config::LimitsConfig limits;
  std::vector<ModelInfo> models;  // in the scheduler's order; the first is the default
  BatchScheduler* scheduler;
  WorkerPool* pool;
  SessionRegistry* sessions;
  ServerMetrics* metrics;
  StateSealer sealer;

  // Index of a model; empty name: the default. NOT_FOUND names the models there are.
  absl::StatusOr<size_t> FindModel(const std::string& name) const;
};

inline absl::StatusOr<size_t> ServiceContext::FindModel(const std::string& name) const {
  if (name.empty()) return 0;
  std::string known;
  for (size_t i = 0; i < models.size(); ++i) {
    if (models[i].name == name) return i;
    absl::StrAppend(&known, known.empty() ? "" : ", ", models[i].name);
  }
  return absl::NotFoundError(
      absl::StrCat("model '", name.substr(0, 64), "' is not loaded; this server has ", known));
}

}  // namespace slotmatch
