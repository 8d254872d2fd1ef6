#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

// Opens a losses.jsonl to go on after step `steps`. Lines of later steps, which a killed run logged
// past its last checkpoint, are dropped, and so is a line cut short; 0 starts afresh. kAborted when
// it cannot be written.
absl::StatusOr<std::ofstream> OpenLossLog(const std::string& path, int64_t steps);

}  // namespace slotmatch
