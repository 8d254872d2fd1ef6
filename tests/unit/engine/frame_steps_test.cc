#include "core/engine/frame_steps.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace slotmatch {
namespace {

// Decoding, masks and boxes are seen through StreamSession in stream_session_test.cc.
TEST(CheckStep, TellsOutputFromNextState) {
  const float nan = std::nanf(""), infinite = std::numeric_limits<float>::infinity();
  const auto health = [](float mask, float slot, float next) {
    return CheckStep({{0.5f, mask}, {slot, 1}, {{next, 2}, 3}});
  };
  EXPECT_TRUE(health(0, 0, 0).output_finite && health(0, 0, 0).next_finite);
  for (const float bad : {nan, infinite, -infinite}) {
    EXPECT_FALSE(health(bad, 0, 0).output_finite);
    EXPECT_FALSE(health(0, bad, 0).output_finite);
    EXPECT_TRUE(health(0, bad, 0).next_finite);
    EXPECT_FALSE(health(0, 0, bad).next_finite);
    EXPECT_TRUE(health(0, 0, bad).output_finite);
  }
}

TEST(MaskEntropy, IsNoneForSureMasksAndOneForEvenOnes) {
  EXPECT_EQ(MaskEntropy({1, 0, 0, 1}, 2), 0);
  EXPECT_DOUBLE_EQ(MaskEntropy({0.5f, 0.5f, 0.5f, 0.5f}, 2), 1);
  EXPECT_NEAR(MaskEntropy({1, 0.5f, 0, 0.5f}, 2), 0.5, 1e-6);
  EXPECT_EQ(MaskEntropy({1, 1}, 1), 0);
  EXPECT_EQ(MaskEntropy({}, 3), 0);
}

}  // namespace
}  // namespace slotmatch
