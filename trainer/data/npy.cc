#include "trainer/data/npy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr int64_t kMaxElements = int64_t{1} << 36;

uint32_t LittleEndian(absl::string_view bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// What follows "'key':" in the header's Python dict, up to the end of the text.
absl::StatusOr<absl::string_view> ValueOf(absl::string_view dict, const char* key) {
  const std::string quoted = absl::StrCat("'", key, "':");
  const size_t at = dict.find(quoted);
  if (at == absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat("the npy header has no '", key, "'"));
  }
  return absl::StripLeadingAsciiWhitespace(dict.substr(at + quoted.size()));
}

absl::StatusOr<std::vector<int64_t>> ParseShape(absl::string_view text) {
  const size_t end = text.find(')');
  if (!absl::ConsumePrefix(&text, "(") || end == absl::string_view::npos) {
    return absl::DataLossError("the npy header's shape is no tuple");
  }
  std::vector<int64_t> shape;
  int64_t elements = 1;
  for (const absl::string_view part :
       absl::StrSplit(text.substr(0, end - 1), ',', absl::SkipWhitespace())) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(part, &size) || size < 0 ||
        size > kMaxElements / std::max<int64_t>(elements, 1)) {
      return absl::DataLossError("the npy header's shape is none: (" +
                                 std::string(text.substr(0, end)));
    }
    elements *= size;
    shape.push_back(size);
  }
  return shape;
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view beginning) {
  if (!absl::StartsWith(beginning, kMagic) || beginning.size() < 12) {
    return absl::DataLossError("not an npy file");
  }
  const size_t length_bytes = beginning[6] == 1 ? 2 : 4;
  NpyHeader header;
  header.bytes = 8 + length_bytes + LittleEndian(beginning, 8, length_bytes);
  if (header.bytes > beginning.size() || header.bytes > kMaxNpyHeaderBytes) {
    return absl::DataLossError("the npy header is cut short or too long");
  }
  const absl::string_view dict = beginning.substr(8 + length_bytes, header.bytes);
  SM_ASSIGN_OR_RETURN(const absl::string_view descr, ValueOf(dict, "descr"));
  if (!absl::StartsWith(descr, "'|u1'") && !absl::StartsWith(descr, "'u1'")) {
    return absl::DataLossError(
        absl::StrCat("the npy array has dtype ", descr.substr(0, descr.find(',')), ", not '|u1'"));
  }
  SM_ASSIGN_OR_RETURN(const absl::string_view fortran, ValueOf(dict, "fortran_order"));
  if (!absl::StartsWith(fortran, "False")) {
    return absl::DataLossError("the npy array is in Fortran order; C order is needed");
  }
  SM_ASSIGN_OR_RETURN(const absl::string_view shape, ValueOf(dict, "shape"));
  SM_ASSIGN_OR_RETURN(header.shape, ParseShape(shape));
  return header;
}

}  // namespace slotmatch
