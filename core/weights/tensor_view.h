#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace slotmatch {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };
size_t ByteSize(DType dtype);
const char* DTypeName(DType dtype);              // "F32", ... as safetensors writes it
const DType* FindDType(absl::string_view name);  // null when there is none of that name

inline constexpr size_t kMaxRank = 16;

// A tensor of an archive: bytes borrowed from it, little-endian, row-major, at any alignment.
struct TensorView {
  DType dtype;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;
  int64_t num_elements() const;
};

// Bytes of a tensor with this shape. kDataLoss: too many axes, a negative side, or more bytes than
// an int64_t counts.
absl::StatusOr<uint64_t> CheckedByteSize(DType dtype, absl::Span<const int64_t> shape);

}  // namespace slotmatch
