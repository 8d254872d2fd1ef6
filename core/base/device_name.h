#pragma once

#include <string>

#include "absl/status/status.h"

namespace slotmatch {

// Whether `name` can be the setting `setting`: cpu; cuda, cuda:N; auto. kFailedPrecondition
// otherwise. Whether this build and this machine have the device is FindDevice's to say
// (core/model/device.h).
absl::Status CheckDeviceName(const std::string& setting, const std::string& name);

}  // namespace slotmatch
