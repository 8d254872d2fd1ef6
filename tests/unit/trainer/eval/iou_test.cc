#include "trainer/eval/iou.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"
#include "trainer/data/dataset.h"

namespace slotmatch {
namespace {

TEST(MeanIou, OverlapLetsObjectsShareASlotAndHungarianDoesNot) {
  const Contingency counts = Count(Map(kGtA), Map(kAllZero), 1);
  EXPECT_DOUBLE_EQ(*MeanIou(counts, Matching::kOverlap), 0.25);
  EXPECT_DOUBLE_EQ(*MeanIou(counts, Matching::kHungarian), 0.125);  // one object is left over
}

TEST(MeanIou, HungarianMaximisesTheSum) {
  // IoU rows: object 1 {3/6, 1/6}, object 2 {2/4, 0}: 1 -> slot 1 and 2 -> slot 0 is best.
  const Contingency counts = Count(Map("111122"), Map("000100"), 2);
  EXPECT_DOUBLE_EQ(PairIou(counts, 1, 0), 3.0 / 6);
  EXPECT_DOUBLE_EQ(PairIou(counts, 1, 1), 1.0 / 4);
  EXPECT_DOUBLE_EQ(PairIou(counts, 2, 0), 2.0 / 5);
  EXPECT_DOUBLE_EQ(*MeanIou(counts, Matching::kHungarian), (1.0 / 4 + 2.0 / 5) / 2);
  EXPECT_DOUBLE_EQ(*MeanIou(counts, Matching::kOverlap), (3.0 / 6 + 2.0 / 5) / 2);
}

TEST(MeanIou, IndexComparesObjectsWithTheSlotBeforeThem) {
  EXPECT_DOUBLE_EQ(*MeanIou(Count(Map("1122"), Map("0011"), 2), Matching::kIndex), 1.0);
  EXPECT_DOUBLE_EQ(*MeanIou(Count(Map("1122"), Map("1100"), 2), Matching::kIndex), 0.0);
  EXPECT_FALSE(MeanIou(Count(Map("1123"), Map("0011"), 2), Matching::kIndex).has_value());
}

TEST(MeanIou, LeavesOverlapsOutOfBothSides) {
  // Objects {(0,0), (0,1)} and {(0,1), (0,2)}; slot 0 = {(0,0), (0,1)}, slot 1 the rest.
  LabelMap truth = Map("1020/0000/0000/0000");
  truth.labels[1] = kOverlapLabel;
  const Contingency counts = Count(truth, Map("0011/1111/1111/1111"), 2);
  EXPECT_DOUBLE_EQ(PairIou(counts, 1, 0), 1.0);
  EXPECT_DOUBLE_EQ(PairIou(counts, 2, 1), 1.0 / 14);
  EXPECT_NEAR(*MeanIou(counts, Matching::kOverlap), 0.5357142857, 5e-11);
}

TEST(MeanIou, NoObjectHasNoValue) {
  for (const Matching matching : {Matching::kOverlap, Matching::kHungarian, Matching::kIndex}) {
    EXPECT_FALSE(MeanIou(Count(Map(kAllZero), Map(kAllZero), 2), matching).has_value());
  }
}

}  // namespace
}  // namespace slotmatch
