#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace slotmatch {

// Path of a file of the reference fixtures, which are not part of the repository:
// SLOTMATCH_SHARED_DIR, by default the folder shared beside the source tree. Tests that need one
// skip where it does not exist.
inline std::string SharedFile(const std::string& name) {
  const char* folder = std::getenv("SLOTMATCH_SHARED_DIR");
  return (std::filesystem::path(folder != nullptr ? folder : "../shared") / name).string();
}

}  // namespace slotmatch
