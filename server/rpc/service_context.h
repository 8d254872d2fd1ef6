#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/engine/admission.h"
#include "core/engine/batch_scheduler.h"
#include "core/engine/session_state.h"
#include "core/engine/worker_pool.h"
#include "server/metrics/server_metrics.h"
#include "server/models/model_store.h"
#include "server/rpc/session_registry.h"
#include "server/security/token_table.h"
#include "server/trace/tracer.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// What every RPC works with. All borrowed from the app, which outlives the gRPC server.
struct ServiceContext {
  config::LimitsConfig limits;
  const ModelStore* models;
  BatchScheduler* scheduler;
  Admission* admission;
  WorkerPool* pool;
  SessionRegistry* sessions;
  ServerMetrics* metrics;
  StateSealer sealer;
  Tracer* tracer;
  CallGuard guard;
  std::string tenant_header;        // of FrameCall; empty: none
  int64_t encoded_frame_bytes = 0;  // what a frame is taken for by the memory budget

  // Where a session begins.
  struct Beginning {
    ModelRef model;
    SessionPoint point;
  };
  // At `config.resume` if there is one, which is counted, then with the statuses of
  // StateSealer::Open; else before the first frame. NOT_FOUND: a model that is not served.
  absl::StatusOr<Beginning> Begin(const v1::SessionConfig& config) const;
};

}  // namespace slotmatch
