#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// A training state. Random draws are functions of (seed, step), so this is all of it.
struct Checkpoint {
  int64_t step = 0;
  std::map<std::string, torch::Tensor> model;      // trainable parameters and buffers
  std::map<std::string, torch::Tensor> optimizer;  // Optimizer::State()
};

// Writes FOLDER/step_<n>/ so that it is either complete or absent: temporary folder, fsync, rename.
// Then removes all but the newest `keep`.
absl::Status SaveCheckpoint(const std::string& folder, const Checkpoint& checkpoint, int keep);

// The newest complete checkpoint of FOLDER. A damaged one is passed over with a warning that says
// so. kNotFound when there is none.
absl::StatusOr<Checkpoint> LoadNewestCheckpoint(const std::string& folder);

// One checkpoint directory. kDataLoss when it is damaged.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory);

}  // namespace slotmatch
