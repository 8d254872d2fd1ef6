#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace slotmatch {

// A log line taken apart: "session opened session_id=1-2 error=\"no room\"".
struct LogLine {
  std::string text;
  std::vector<std::pair<std::string, std::string>> fields;  // in order; values unquoted
};

// Fields begin at the first word of the form key=value, key in [a-z0-9_]; a line whose rest is not
// made of fields, or names one twice, is all text.
LogLine ParseLogLine(absl::string_view line);

// ,"key":"value" of every field, and "message":"text" before them, as members of a JSON object.
// Bytes that are no UTF-8 become U+FFFD.
std::string JsonMembers(const LogLine& line);

}  // namespace slotmatch
