#pragma once

#include <string>

#include "absl/status/status.h"
#include "slotmatch/config/manifest.pb.h"

namespace slotmatch {

// Writes the model directory `from` again as `to` (REPOSITORY/NAME/VERSION), for square inputs of
// `input_px`. Nothing is trained: tables with a row per token are resampled, every other weight is
// what it was. The manifest has the scores of `measured` in place of those of the other size.
// kFailedPrecondition: the model cannot have that size. kDataLoss: a tensor does not fit.
absl::Status ResizeModel(const std::string& from, int input_px, const std::string& to,
                         const config::Provenance& measured = {});

}  // namespace slotmatch
