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

TEST(EntropyOf, IsNoneForSureMasksAndOneForEvenOnes) {
  EXPECT_EQ(EntropyOf({1, 0, 0, 1}, 2).mean, 0);
  EXPECT_DOUBLE_EQ(EntropyOf({0.5f, 0.5f, 0.5f, 0.5f}, 2).mean, 1);
  EXPECT_NEAR(EntropyOf({1, 0.5f, 0, 0.5f}, 2).mean, 0.5, 1e-6);
  EXPECT_EQ(EntropyOf({1, 1}, 1).mean, 0);
  EXPECT_EQ(EntropyOf({}, 3).mean, 0);
}

TEST(EntropyOf, IsThatOfTheSlotThatClaimsATokenMost) {
  // Tokens: sure for slot 0; even, which is slot 0's; sure for slot 2.
  const MaskEntropy entropy = EntropyOf({1, 1.0f / 3, 0, 0, 1.0f / 3, 0, 0, 1.0f / 3, 1}, 3);
  ASSERT_EQ(entropy.per_slot.size(), 3u);
  EXPECT_NEAR(entropy.per_slot[0], 0.5, 1e-6);
  EXPECT_EQ(entropy.per_slot[1], 0);
  EXPECT_EQ(entropy.per_slot[2], 0);
  EXPECT_NEAR(entropy.mean, 1.0 / 3, 1e-6);
}

}  // namespace
}  // namespace slotmatch
