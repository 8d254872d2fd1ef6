#include "core/weights/tensor_view.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

struct DTypeRow {
  DType dtype;
  const char* name;
  size_t bytes;
};
constexpr DTypeRow kDTypes[] = {
    {DType::kF64, "F64", 8},   {DType::kF32, "F32", 4}, {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2}, {DType::kI64, "I64", 8}, {DType::kI32, "I32", 4},
    {DType::kI16, "I16", 2},   {DType::kI8, "I8", 1},   {DType::kU8, "U8", 1},
    {DType::kBool, "BOOL", 1},
};

const DTypeRow& Row(DType dtype) {
  return *std::find_if(std::begin(kDTypes), std::end(kDTypes),
                       [dtype](const DTypeRow& row) { return row.dtype == dtype; });
}

}  // namespace

size_t ByteSize(DType dtype) { return Row(dtype).bytes; }
const char* DTypeName(DType dtype) { return Row(dtype).name; }

const DType* FindDType(absl::string_view name) {
  const auto* row = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                 [name](const DTypeRow& r) { return name == r.name; });
  return row == std::end(kDTypes) ? nullptr : &row->dtype;
}

int64_t TensorView::num_elements() const {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return count;
}

absl::StatusOr<uint64_t> CheckedByteSize(DType dtype, absl::Span<const int64_t> shape) {
  if (shape.size() > kMaxRank) {
    return absl::DataLossError(
        absl::StrCat("shape has ", shape.size(), " axes, at most ", kMaxRank, " are read"));
  }
  // The product of the sides that are not 0: num_elements() must not overflow on its way to 0
  // either.
  int64_t size = static_cast<int64_t>(ByteSize(dtype));
  bool empty = false;
  for (const int64_t side : shape) {
    if (side < 0) return absl::DataLossError(absl::StrCat("shape holds ", side));
    empty = empty || side == 0;
    if (side != 0 && __builtin_mul_overflow(size, side, &size)) {
      return absl::DataLossError("shape is larger than any memory");
    }
  }
  return empty ? 0 : static_cast<uint64_t>(size);
}

}  // namespace slotmatch
