#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/dist/place.h"
#include "trainer/loop/validator.h"

namespace slotmatch {

struct TrainOptions {
  std::string out;     // run folder: checkpoints/, losses.jsonl, metrics.prom, models/
  std::string recipe;  // path of the config file, for provenance
  bool resume = false;
  bool progress = true;
  ProcessPlace place;              // among the processes that train together
  Validator* validator = nullptr;  // borrowed; null: no validation
  // Set by a signal handler: 0, or the signal that asks to save and stop. May be null.
  const std::atomic<int>* stop = nullptr;
};

// Trains to the end: features, steps, checkpoints, losses.jsonl, metrics.prom, and at the end a
// complete model directory under OUT/models/<name>/1. Several processes make the same calls; the
// first one writes. kCancelled when SIGINT stopped it, kResourceExhausted ("resume to go on") for
// SIGTERM; both after saving. kDataLoss on a loss that is not finite, kAborted when a checkpoint
// cannot be written, kUnavailable when another process is lost; the last good checkpoint stays.
absl::Status Train(const config::TrainConfig& config, const TrainOptions& options);

}  // namespace slotmatch
