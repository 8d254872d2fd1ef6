#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// A training state. Random draws are functions of (seed, step), so this is all of it.
struct Checkpoint {
  int64_t step = 0;
  std::map<std::string, torch::Tensor> model;      // trainable parameters and buffers
  std::map<std::string, torch::Tensor> heads;      // of the losses (trainer/loss/loss_heads.h)
  std::map<std::string, torch::Tensor> optimizer;  // Optimizer::State()
  std::optional<double> score;                     // of the validation; the highest is the best
};

// Writes FOLDER/step_<n>/ so that it is either complete or absent, whatever happens: temporary
// folder, fsync, rename, fsync. Its state.json has the SHA-256 of the other files. Then removes all
// but the newest `keep` and the one of the best score; the earlier one of two equal scores.
// kAborted when it cannot be written (disk full); what was there before stays.
absl::Status SaveCheckpoint(const std::string& folder, const Checkpoint& checkpoint, int keep);

// The newest complete checkpoint of FOLDER. A damaged one is passed over with a warning that says
// so. kNotFound when there is none.
absl::StatusOr<Checkpoint> LoadNewestCheckpoint(const std::string& folder);

// One checkpoint directory. kDataLoss when it is damaged.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory);

// The directory of the best score in FOLDER; kNotFound when none has one.
absl::StatusOr<std::string> BestCheckpoint(const std::string& folder);

}  // namespace slotmatch
