#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

struct TrainOptions {
  std::string out;     // run folder: checkpoints/, losses.jsonl, metrics.prom, models/
  std::string recipe;  // path of the config file, for provenance
  bool resume = false;
  bool progress = true;
  // Set by a signal handler: 0, or the signal that asks to save and stop. May be null.
  const std::atomic<int>* stop = nullptr;
};

// Everything that can be wrong with a training config, found before any long work; one line each,
// joined by "; ". kFailedPrecondition or kNotFound.
absl::Status ValidateTrainConfig(const config::TrainConfig& config);

// Trains to the end: features, steps, checkpoints, losses.jsonl, metrics.prom, and at the end a
// complete model directory under OUT/models/<name>/1. kCancelled when SIGINT stopped it,
// kResourceExhausted
// ("resume to go on") for SIGTERM; both after saving. kDataLoss on a loss that is not finite; the
// last good checkpoint stays.
absl::Status Train(const config::TrainConfig& config, const TrainOptions& options);

}  // namespace slotmatch
