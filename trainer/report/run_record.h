#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// What a run's folder tells: settings, losses by step, scores.
struct RunRecord {
  std::string folder;
  config::TrainConfig config;
  // By name ("loss", "grad_norm", "slot_kd", ...): values by step, ascending.
  std::map<std::string, std::vector<std::pair<int64_t, double>>> series;
  // By set: FOLDER/scores/<set>.json as `slotmatch_trainer evaluate --json` writes it.
  std::map<std::string, nlohmann::json> scores;
  std::string model;  // model directory the run wrote; empty: not yet

  int64_t steps() const;  // of the last logged line
};

// Reads `train_config.textproto`, `losses.jsonl`, `scores/*.json` and `models/*/*`. kNotFound: not
// a run's folder; kDataLoss naming the file where one of them cannot be parsed. A last line of the
// losses that was cut short is passed over.
absl::StatusOr<RunRecord> ReadRun(const std::string& folder);

// Runs that differ by their seed alone (and by where they lie), in the order of their first.
std::vector<std::vector<const RunRecord*>> GroupBySeed(const std::vector<RunRecord>& runs);

// Mean and sample standard deviation (n - 1; 0 for one value). `values` is not empty.
struct Spread {
  double mean = 0;
  double deviation = 0;
};
Spread SpreadOf(const std::vector<double>& values);

}  // namespace slotmatch
