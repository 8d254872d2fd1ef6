#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace slotmatch {

// The W3C trace a call belongs to (https://www.w3.org/TR/trace-context). Lower-case hex; all empty
// when the caller sent none.
struct TraceContext {
  std::string trace_id;   // 32 digits
  std::string parent_id;  // 16 digits: the caller's span
  std::string span_id;    // 16 digits: this call's span
  // " trace_id=... span_id=..." for the end of a log line, or nothing.
  std::string LogFields() const;
};

// Reads the value of a `traceparent` header and begins a span of its own. What is not valid, or of
// version ff, counts as none, as the specification has it.
TraceContext ParseTraceParent(absl::string_view header);

}  // namespace slotmatch
