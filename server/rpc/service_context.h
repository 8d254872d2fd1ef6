#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/admission.h"
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
  Admission* admission;
  WorkerPool* pool;
  SessionRegistry* sessions;
  ServerMetrics* metrics;
  StateSealer sealer;
  const TokenTable* tokens = nullptr;  // null: no token is asked for
  std::string tenant_header;           // of AdmitCall(); empty: none
  int64_t encoded_frame_bytes = 0;     // what a frame is taken for by the memory budget

  // Index of a model; empty name: the default, empty version: any. NOT_FOUND names the models
  // there are.
  absl::StatusOr<size_t> FindModel(const std::string& name, const std::string& version = "") const;

  // The model of a session and where it begins: at `config.resume` if there is one, which is
  // counted, then with the statuses of StateSealer::Open.
  absl::StatusOr<StateSealer::Opened> Begin(const v1::SessionConfig& config) const;
};

}  // namespace slotmatch
