#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "slotmatch/config/track.pb.h"

namespace slotmatch {

// kFailedPrecondition names the setting that is out of range and the range, as `path`.name.
absl::Status ValidateTrackConfig(const config::TrackConfig& config, absl::string_view path);

}  // namespace slotmatch
