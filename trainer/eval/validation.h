#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/loop/validator.h"

namespace slotmatch {

// Scores by every row of the metric table on config.validation.dataset; null when it names none.
// Opens data and encoder, so that what is wrong with them is known before any long work:
// kFailedPrecondition for a dataset without labels or an unknown keep_best, or an error of opening.
absl::StatusOr<std::unique_ptr<Validator>> MakeValidator(const config::TrainConfig& config);

}  // namespace slotmatch
