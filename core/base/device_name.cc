#include "core/base/device_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace slotmatch {

absl::Status CheckDeviceName(const std::string& setting, const std::string& name) {
  constexpr size_t kDigits = 3;
  absl::string_view number = name;
  const bool numbered = absl::ConsumePrefix(&number, "cuda:") && !number.empty() &&
                        number.size() <= kDigits &&
                        std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
  if (name == "cpu" || name == "auto" || name == "cuda" || numbered) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(setting, " is '", name, "'; it must be cpu, cuda, cuda:N or auto"));
}

}  // namespace slotmatch
