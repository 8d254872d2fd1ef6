#include "core/base/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace slotmatch {
namespace {

constexpr uint16_t kHalfInfinity = 0x7c00;

bool IsNan(uint16_t half) { return (half & 0x7fff) > kHalfInfinity; }

// The value by definition of the format: sign, 5 bits of exponent, 10 of mantissa.
double ValueOf(uint16_t half) {
  const int exponent = half >> 10 & 0x1f;
  const int mantissa = half & 0x3ff;
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Float16, EveryHalfHasItsValueAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if (IsNan(half)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(IsNan(FloatToHalf(value))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), ValueOf(half)) << bits;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
    ASSERT_EQ(FloatToHalf(value), half) << bits;
  }
}

TEST(Float16, RoundsToNearestAndHalfwayToEven) {
  for (uint16_t half = 0; half + 1 < kHalfInfinity; ++half) {
    const double low = ValueOf(half), high = ValueOf(half + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact in binary32
    const float below = std::nextafter(middle, 0.0f);
    const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    const uint16_t even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(FloatToHalf(below), half) << half;
    ASSERT_EQ(FloatToHalf(middle), even) << half;
    ASSERT_EQ(FloatToHalf(above), half + 1) << half;
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000) << half;
  }
}

TEST(Float16, OverflowsToInfinity) {
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);  // the largest finite one
  EXPECT_EQ(FloatToHalf(65519.99f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), kHalfInfinity);
  EXPECT_EQ(FloatToHalf(-1e30f), kHalfInfinity | 0x8000);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::infinity()), kHalfInfinity);
}

TEST(Float16, UnderflowsToSignedZero) {
  EXPECT_EQ(FloatToHalf(1e-30f), 0);
  EXPECT_EQ(FloatToHalf(-1e-30f), 0x8000);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(FloatToBfloat16, RoundsToNearestEvenAndKeepsNan) {
  const auto bits = [](uint32_t of) { return FloatToBfloat16(std::bit_cast<float>(of)); };
  EXPECT_EQ(bits(0x3f800000u), 0x3f80u);  // 1
  EXPECT_EQ(bits(0x3f808000u), 0x3f80u);  // half way, to even
  EXPECT_EQ(bits(0x3f818000u), 0x3f82u);
  EXPECT_EQ(bits(0x3f808001u), 0x3f81u);
  EXPECT_EQ(bits(0xff7fffffu), 0xff80u);  // the largest finite one, to infinity
  EXPECT_EQ(bits(0x7f800001u), 0x7fc0u);  // a NaN whose upper half says nothing of it
}

}  // namespace
}  // namespace slotmatch
