#pragma once

#include <string>

namespace slotmatch {

// Path of a file of the reference material that lies beside the repository (SLOTMATCH_SHARED_DIR,
// else ../shared); empty where there is none, and the test skips itself by name.
std::string SharedFile(const std::string& name);

}  // namespace slotmatch
