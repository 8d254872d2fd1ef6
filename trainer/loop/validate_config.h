#pragma once

#include "absl/status/status.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Everything that can be wrong with a training config for so many processes, found before any long
// work; one line each, joined by "; ". kFailedPrecondition.
absl::Status ValidateTrainConfig(const config::TrainConfig& config, int processes = 1);

}  // namespace slotmatch
