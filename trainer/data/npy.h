#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slotmatch {

// The header of a file that numpy.save wrote, versions 1 to 3.
struct NpyHeader {
  size_t bytes = 0;  // before the data
  std::vector<int64_t> shape;
};

// Most bytes that a header may have, and enough of a file's beginning to read any.
inline constexpr size_t kMaxNpyHeaderBytes = 4096;

// Reads the header of an array of uint8 in C order from a file's beginning. kDataLoss: anything
// else, naming it (Fortran order, another dtype, a shape that is none).
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view beginning);

}  // namespace slotmatch
