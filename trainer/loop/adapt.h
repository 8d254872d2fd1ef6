#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Makes `config` go on from a model directory, whatever it was made with: its architecture,
// preprocessing and encoder take the place of the recipe's, and its head starts the training.
// Errors of OpenModelDirectory; kFailedPrecondition for a model without a head.
absl::Status AdaptModel(const std::string& directory, config::TrainConfig* config);

// The dataset that `path` looks like: DAVIS where there is a folder JPEGImages, a video file or a
// folder of them, else frames. Opening it tells whether it is one. kNotFound: there is nothing.
absl::StatusOr<config::DatasetConfig> GuessDataset(const std::string& path);

}  // namespace slotmatch
