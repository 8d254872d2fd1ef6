#include "server/trace/trace_context.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slotmatch {
namespace {

constexpr size_t kHeaderBytes = 55;  // 00-<32>-<16>-<2>

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view id) { return id.find_first_not_of('0') == absl::string_view::npos; }

}  // namespace

std::string TraceContext::LogFields() const {
  if (trace_id.empty()) return "";
  return absl::StrCat(" trace_id=", trace_id, " span_id=", span_id);
}

TraceContext ParseTraceParent(absl::string_view header) {
  if (header.size() < kHeaderBytes) return {};
  const absl::string_view version = header.substr(0, 2), trace = header.substr(3, 32),
                          parent = header.substr(36, 16), flags = header.substr(53, 2);
  const bool dashes = header[2] == '-' && header[35] == '-' && header[52] == '-';
  // A later version may go on after another dash.
  const bool ends =
      header.size() == kHeaderBytes || (version != "00" && header[kHeaderBytes] == '-');
  if (!dashes || !ends || version == "ff" || !IsHex(version) || !IsHex(trace) || !IsHex(parent) ||
      !IsHex(flags) || IsZero(trace) || IsZero(parent)) {
    return {};
  }
  absl::BitGen random;
  const auto span = absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, ~uint64_t{0});
  return {std::string(trace), std::string(parent), absl::StrFormat("%016x", span)};
}

}  // namespace slotmatch
