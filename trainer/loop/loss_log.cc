#include "trainer/loop/loss_log.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {

absl::StatusOr<std::ofstream> OpenLossLog(const std::string& path, int64_t steps) {
  std::string kept;
  std::istringstream lines(steps > 0 ? ReadFile(path).value_or("") : "");
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (entry.is_object() && entry.value("step", steps + 1) <= steps) kept += line + "\n";
  }
  SM_RETURN_IF_ERROR(WriteFileAtomically(path, kept));
  std::ofstream log(path, std::ios::app);
  if (!log) return absl::AbortedError("cannot write " + path);
  return log;
}

}  // namespace slotmatch
