#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace slotmatch {

// Numbers of a list: "1,2,8", "8:32:8" (from, to, step) or both mixed, at most 100. `name` is that
// of the option. kInvalidArgument: no such list, or a number below `least`.
absl::StatusOr<std::vector<double>> ParseRange(const std::string& name, const std::string& text,
                                               double least);

}  // namespace slotmatch
