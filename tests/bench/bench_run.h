#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/load.h"
#include "tests/bench/bench_server.h"
#include "tests/bench/engine_bench.h"

namespace slotmatch {

struct BenchOptions {
  std::string server;  // program
  std::string model = "models/slotmatch/1", video = "samples/cups.mp4";
  int64_t streams = 4, steps = 10, rounds = 5, threads = 0;
};

// Frames per second of one round each; a round runs all three, so that a machine whose speed
// drifts slows all of them.
struct Round {
  double backbone = 0, model = 0, service = 0;
};

// Medians of the rounds, and of their ratios.
struct Speeds {
  Round fps;
  double model_to_backbone = 0, service_to_model = 0;
};

struct BenchWorld {
  std::unique_ptr<EngineBench> engine;
  std::unique_ptr<BenchServer> server;
  std::vector<std::string> pictures;
};

absl::StatusOr<BenchWorld> OpenWorld(const BenchOptions& options);

// Backbone, whole model and service, `streams` streams each.
absl::StatusOr<Speeds> CompareSpeeds(const BenchOptions& options, BenchWorld* world);

// p99 of the time a frame of a lone stream takes over that of the model, and the model's own time.
struct AddedLatency {
  double p99_ms = 0, model_ms = 0;
};
absl::StatusOr<AddedLatency> MeasureAdded(const BenchOptions& options, BenchWorld* world);

// Memory of sessions that have had a frame and wait, and of live ones beside them.
struct SessionMemory {
  int idle = 1000, live = 64;
  double idle_bytes = 0;  // more in RAM per idle session
  double all_bytes = 0;   // per session, while the live ones send
  double live_fps = 0;    // of the live ones, beside the idle ones
};
absl::StatusOr<SessionMemory> MeasureSessions(const BenchOptions& options, BenchWorld* world);

}  // namespace slotmatch
