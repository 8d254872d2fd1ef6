#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/loss/golden_slots.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

using Loss = config::LossConfig;

config::LossConfig Config(Loss::SlotDistance distance, Loss::SlotMatching matching) {
  config::LossConfig config;
  config.set_slot_distance(distance);
  config.set_slot_matching(matching);
  return config;
}

double GoldenKd(Loss::SlotDistance distance, Loss::SlotMatching matching) {
  return SlotKd(GoldenSlots(40), GoldenSlots(41.5), Config(distance, matching)).item<double>();
}

TEST(SlotKd, EqualsTheReference) {
  const torch::Tensor student = GoldenSlots(40), teacher = GoldenSlots(41.5);
  const torch::Tensor loss = SlotKd(student, teacher, {});
  EXPECT_NEAR(loss.item<double>(), 0.9326631794, 1e-9);
  loss.backward();
  EXPECT_LT(MaxDifference(student.grad().flatten().slice(0, 0, 3),
                          torch::tensor({0.03091532, 0.05512080, -0.00142582}, torch::kFloat64)),
            1e-7);
  EXPECT_FALSE(teacher.grad().defined());  // the teacher is a constant
}

TEST(SlotKd, VariantsEqualTheReference) {
  EXPECT_NEAR(GoldenKd(Loss::MEAN_SQUARE, Loss::BY_INDEX), 0.9312438468, 1e-9);
  EXPECT_NEAR(GoldenKd(Loss::COSINE_DISTANCE, Loss::PER_FRAME), 0.8472237028, 1e-9);
}

// The more freedom, the less distance.
TEST(SlotKd, MatchingIsNeverWorseThanByIndex) {
  for (const Loss::SlotDistance distance : {Loss::COSINE_DISTANCE, Loss::MEAN_SQUARE}) {
    const double frame = GoldenKd(distance, Loss::PER_FRAME);
    const double clip = GoldenKd(distance, Loss::PER_CLIP);
    EXPECT_LE(frame, clip + 1e-12);
    EXPECT_LE(clip, GoldenKd(distance, Loss::BY_INDEX) + 1e-12);
  }
}

TEST(SlotKd, IsZeroForParallelSlots) {
  const torch::Tensor slots = GoldenFill({2, 3, 2, 3}, 40, 1.0);
  EXPECT_NEAR(SlotKd(slots * 3, slots, {}).item<double>(), 0.0, 1e-9);
  EXPECT_NEAR(SlotKd(-slots, slots, {}).item<double>(), 2.0, 1e-9);
}

TEST(SlotKd, MatchingFindsTheTeachersOrder) {
  torch::manual_seed(56);
  const torch::Tensor teacher = torch::randn({2, 3, 5, 8});
  const torch::Tensor order = torch::tensor({3, 0, 4, 1, 2}, torch::kInt64);
  const torch::Tensor student =
      (2 * teacher.index_select(2, order)).detach().set_requires_grad(true);
  for (const Loss::SlotMatching matching : {Loss::PER_FRAME, Loss::PER_CLIP}) {
    const torch::Tensor index = MatchSlots(student, teacher, Loss::COSINE_DISTANCE, matching);
    EXPECT_TRUE(torch::equal(index, order.expand({2, 3, 5})));
    const torch::Tensor loss = SlotKd(student, teacher, Config(Loss::COSINE_DISTANCE, matching));
    EXPECT_NEAR(loss.item<double>(), 0.0, 1e-6);
    EXPECT_TRUE(loss.requires_grad());
  }
}

TEST(SlotKd, OneAssignmentForTheClipStaysInEveryFrame) {
  torch::manual_seed(57);
  const torch::Tensor student = torch::randn({2, 3, 4, 8}), teacher = torch::randn({2, 3, 4, 8});
  const torch::Tensor index = MatchSlots(student, teacher, Loss::COSINE_DISTANCE, Loss::PER_CLIP);
  EXPECT_TRUE(torch::equal(index.select(1, 0), index.select(1, 1)));
  EXPECT_TRUE(torch::equal(index.select(1, 0), index.select(1, 2)));
  EXPECT_FALSE(
      torch::equal(index, MatchSlots(student, teacher, Loss::COSINE_DISTANCE, Loss::PER_FRAME)));
}

TEST(SlotKd, ShapeErrorNamesLettersAndSizes) {
  EXPECT_THAT(MessageThrownBy([] {
                SlotKd(torch::zeros({2, 3, 2, 3}), torch::zeros({2, 3, 4, 3}), {});
              }),
              testing::HasSubstr("teacher slots: expected [B=2, T=3, K=2, S=3], got [2, 3, 4, 3]"));
}

}  // namespace
}  // namespace slotmatch
