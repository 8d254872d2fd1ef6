#include "tests/support/shared_files.h"

#include <cstdlib>
#include <filesystem>

namespace slotmatch {

std::string SharedFile(const std::string& name) {
  const char* folder = std::getenv("SLOTMATCH_SHARED_DIR");
  const std::filesystem::path path = std::filesystem::path(folder ? folder : "../shared") / name;
  std::error_code error;
  return std::filesystem::exists(path, error) ? path.string() : "";
}

}  // namespace slotmatch
