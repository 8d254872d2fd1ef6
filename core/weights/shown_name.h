#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace slotmatch {

// A name out of a file nobody vouches for, fit for an error message: quoted, escaped, cut short.
inline std::string ShownName(absl::string_view name) {
  constexpr size_t kLongest = 200;
  return absl::StrCat("'", absl::Utf8SafeCHexEscape(name.substr(0, kLongest)), "'");
}

}  // namespace slotmatch
