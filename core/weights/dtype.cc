#include "core/weights/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/base/float16.h"

namespace slotmatch {
namespace {

float BFloatToFloat(uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); }

uint16_t FloatToBFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <typename T>
T Load(const uint8_t* bytes, int64_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void Store(T value, uint8_t* bytes, int64_t i) {
  std::memcpy(bytes + i * sizeof(T), &value, sizeof(T));
}

double LoadAs(DType dtype, const uint8_t* bytes, int64_t i) {
  switch (dtype) {
    case DType::kF64:
      return Load<double>(bytes, i);
    case DType::kF32:
      return Load<float>(bytes, i);
    case DType::kF16:
      return HalfToFloat(Load<uint16_t>(bytes, i));
    default:
      return BFloatToFloat(Load<uint16_t>(bytes, i));
  }
}

void StoreAs(DType dtype, double value, uint8_t* bytes, int64_t i) {
  switch (dtype) {
    case DType::kF64:
      return Store(value, bytes, i);
    case DType::kF32:
      return Store(static_cast<float>(value), bytes, i);
    case DType::kF16:
      return Store(FloatToHalf(static_cast<float>(value)), bytes, i);
    default:
      return Store(FloatToBFloat(static_cast<float>(value)), bytes, i);
  }
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16;
}

}  // namespace

OwnedTensor CopyTensor(const TensorView& tensor) {
  return {tensor.dtype, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}};
}

OwnedTensor ConvertDType(const TensorView& tensor, DType dtype) {
  if (tensor.dtype == dtype || !IsFloat(tensor.dtype) || !IsFloat(dtype)) return CopyTensor(tensor);
  OwnedTensor result{dtype, tensor.shape, {}};
  const int64_t count = tensor.num_elements();
  result.bytes.resize(static_cast<size_t>(count) * ByteSize(dtype));
  for (int64_t i = 0; i < count; ++i) {
    StoreAs(dtype, LoadAs(tensor.dtype, tensor.bytes.data(), i), result.bytes.data(), i);
  }
  return result;
}

}  // namespace slotmatch
