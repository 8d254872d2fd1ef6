#pragma once

#include <string>
#include <vector>

#include "core/weights/key_mapping.h"

namespace slotmatch {

// One line: how many keys were used, renamed and left out, these by what they begin with.
std::string SummarizeKeys(const std::vector<KeyUse>& uses);
// A line per key: "used KEY", "renamed KEY -> KEY" or "left out KEY".
std::string ListKeys(const std::vector<KeyUse>& uses);

}  // namespace slotmatch
