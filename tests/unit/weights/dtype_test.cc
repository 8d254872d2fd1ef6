#include "core/weights/dtype.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/float16.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

template <typename T>
OwnedTensor Tensor(DType dtype, const std::vector<T>& values) {
  OwnedTensor tensor{dtype, {static_cast<int64_t>(values.size())}, {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

template <typename T>
std::vector<T> Values(const OwnedTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

const std::vector<float> kNumbers = {0.0f, -0.0f, 1.0f, -2.5f, 0.333333f, 65504.0f, 1e-7f, 3e38f};

TEST(ConvertDType, HalvesAreThoseOfTheConversion) {
  const auto halves =
      Values<uint16_t>(ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kF16));
  ASSERT_EQ(halves.size(), kNumbers.size());
  for (size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(halves[i], FloatToHalf(kNumbers[i])) << i;
}

TEST(ConvertDType, HalvesAndBFloatsSurviveBinary32) {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bool half_nan = (bits & 0x7fff) > 0x7c00, bfloat_nan = (bits & 0x7fff) > 0x7f80;
    if (!half_nan && !bfloat_nan) all.push_back(static_cast<uint16_t>(bits));
  }
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const OwnedTensor wide = ConvertDType(Tensor(dtype, all).view(), DType::kF32);
    EXPECT_EQ(Values<uint16_t>(ConvertDType(wide.view(), dtype)), all) << DTypeName(dtype);
  }
}

TEST(ConvertDType, BFloatRoundsToNearestEven) {
  const std::vector<uint32_t> bits = {0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff};
  const OwnedTensor narrow = ConvertDType(Tensor(DType::kF32, bits).view(), DType::kBF16);
  EXPECT_THAT(Values<uint16_t>(narrow), ElementsAre(0x3f80, 0x3f82, 0x3f80, 0x3f81, 0x7f80));
}

TEST(ConvertDType, NanStaysNan) {
  const std::vector<uint32_t> nan = {0x7f800001, 0xffc00000};
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64}) {
    const OwnedTensor there = ConvertDType(Tensor(DType::kF32, nan).view(), dtype);
    for (const float value : Values<float>(ConvertDType(there.view(), DType::kF32))) {
      EXPECT_TRUE(std::isnan(value)) << DTypeName(dtype);
    }
  }
}

TEST(ConvertDType, DoublesKeepEveryFloat) {
  const OwnedTensor wide = ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kF64);
  EXPECT_EQ(Values<double>(wide), std::vector<double>(kNumbers.begin(), kNumbers.end()));
  EXPECT_EQ(Values<float>(ConvertDType(wide.view(), DType::kF32)), kNumbers);
}

TEST(ConvertDType, OtherTypesStayAsTheyAre) {
  const OwnedTensor integers = Tensor<int32_t>(DType::kI32, {1, -2});
  const OwnedTensor same = ConvertDType(integers.view(), DType::kF16);
  EXPECT_EQ(same.dtype, DType::kI32);
  EXPECT_EQ(same.bytes, integers.bytes);
  EXPECT_EQ(ConvertDType(Tensor(DType::kF32, kNumbers).view(), DType::kI32).dtype, DType::kF32);
}

}  // namespace
}  // namespace slotmatch
