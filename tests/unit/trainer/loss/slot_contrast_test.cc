#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/loss/golden_slots.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

void ExpectGradientStartsWith(const torch::Tensor& slots, const std::vector<double>& expected) {
  const torch::Tensor start = slots.grad().flatten().slice(0, 0, expected.size());
  EXPECT_LT(MaxDifference(start, torch::tensor(expected, torch::kFloat64)), 1e-7);
}

TEST(SlotContrast, EqualsTheReference) {
  const torch::Tensor slots = GoldenSlots(40);
  const torch::Tensor loss = SlotContrast(slots, 0.1, true);
  EXPECT_NEAR(loss.item<double>(), 8.2331981231, 1e-9);
  loss.backward();
  ExpectGradientStartsWith(
      slots, {0.77718632, 1.38569275, -0.03584394, -1.03845722, -0.55324626, 0.74247176});
}

// Neighbouring readings of the paper that the reference does not execute.
TEST(SlotContrast, IsNoneOfTheOtherReadings) {
  const double loss = SlotContrast(GoldenSlots(40), 0.1, true).item<double>();
  EXPECT_GT(std::abs(loss - 8.1980426710), 1e-3);  // softmax over the slots of frame t + 1
  EXPECT_GT(std::abs(loss - 6.6876199092), 1e-3);  // all frames in the denominator
}

TEST(SlotContrast, WithoutBatchNegativesEveryClipIsForItself) {
  const torch::Tensor slots = GoldenFill({2, 3, 2, 3}, 40, 1.0);
  const double loss = SlotContrast(slots, 0.1, false).item<double>();
  EXPECT_NEAR(loss, 2.8846734108, 1e-9);
  const double first = SlotContrast(slots.slice(0, 0, 1), 0.1, true).item<double>();
  const double second = SlotContrast(slots.slice(0, 1), 0.1, true).item<double>();
  EXPECT_NEAR(loss, (first + second) / 2, 1e-9);
}

TEST(SlotContrast, IgnoresLengthsAndTheOrderOfClips) {
  const torch::Tensor slots = GoldenFill({2, 3, 2, 3}, 40, 1.0);
  const double loss = SlotContrast(slots, 0.1, true).item<double>();
  EXPECT_NEAR(SlotContrast(slots * 7, 0.1, true).item<double>(), loss, 1e-9);
  EXPECT_NEAR(SlotContrast(slots.flip(0), 0.1, true).item<double>(), loss, 1e-9);
}

TEST(SlotContrast, IsSmallForDistinctSlotsThatStay) {
  const torch::Tensor slots = torch::eye(4).view({1, 1, 4, 4}).expand({1, 3, 4, 4});
  EXPECT_LT(SlotContrast(slots, 0.1, true).item<double>(), 1e-3);
}

TEST(SlotContrast, ZeroSlotsStayFinite) {
  const torch::Tensor slots = torch::zeros({1, 2, 3, 4}).set_requires_grad(true);
  const torch::Tensor loss = SlotContrast(slots, 0.1, true);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), std::log(3.0), 1e-5);
  EXPECT_TRUE(slots.grad().isfinite().all().item<bool>());
}

TEST(SlotContrast, NeedsTwoFrames) {
  EXPECT_THAT(MessageThrownBy([] {
                SlotContrast(torch::zeros({2, 1, 3, 4}), 0.1, true);
              }),
              testing::HasSubstr("at least 2 frames, got T=1"));
}

// Two processes, each with one clip of two and the slots of both: their mean is the joint loss.
TEST(SlotContrastAmong, PartsWithAllSlotsMakeTheWhole) {
  const torch::Tensor slots = GoldenSlots(40);
  const torch::Tensor parts = (SlotContrastAmong(slots, slots.slice(0, 0, 1), 0, 0.1) +
                               SlotContrastAmong(slots, slots.slice(0, 1), 1, 0.1)) /
                              2;
  EXPECT_NEAR(parts.item<double>(), 8.2331981231, 1e-9);
  parts.backward();
  ExpectGradientStartsWith(
      slots, {0.77718632, 1.38569275, -0.03584394, -1.03845722, -0.55324626, 0.74247176});
}

TEST(SlotContrastLoss, TakesAllSlotsWhereAskedTo) {
  LossInputs in;
  const torch::Tensor all = GoldenSlots(40);
  in.scan.slots = all.slice(0, 1);
  config::LossConfig config;
  const double own = SlotContrastLoss(in, config).item<double>();
  in.all_slots = all;
  in.first_clip = 1;
  EXPECT_EQ(SlotContrastLoss(in, config).item<double>(), own);
  config.set_gather_negatives(true);
  EXPECT_EQ(SlotContrastLoss(in, config).item<double>(),
            SlotContrastAmong(all, in.scan.slots, 1, config.temperature()).item<double>());
  EXPECT_NE(SlotContrastLoss(in, config).item<double>(), own);
}

}  // namespace
}  // namespace slotmatch
