#pragma once

#include "absl/status/status.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// Checks a whole model configuration. kFailedPrecondition lists every problem, not only the first:
// unknown table rows (with the rows there are), sizes out of range or that do not divide.
absl::Status ValidateModelConfig(const config::ModelConfig& config);

}  // namespace slotmatch
