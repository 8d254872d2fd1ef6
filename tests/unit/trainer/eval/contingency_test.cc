#include "trainer/eval/contingency.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"
#include "trainer/data/dataset.h"

namespace slotmatch {
namespace {

TEST(Contingency, CountsSharedPixelsAndAreas) {
  const Contingency counts = Count(Map(kGtA), Map(kPredA), 3);
  EXPECT_EQ(counts.num_rows(), 3);
  const int64_t expected[3][3] = {{1, 0, 7}, {3, 1, 0}, {0, 3, 1}};
  for (int object = 0; object < 3; ++object) {
    for (int slot = 0; slot < 3; ++slot) {
      EXPECT_EQ(counts.shared(object, slot), expected[object][slot]) << object << " " << slot;
    }
  }
  EXPECT_EQ(counts.ObjectArea(1), 4);
  EXPECT_EQ(counts.SlotArea(0), 4);
  EXPECT_TRUE(counts.has_objects());
}

TEST(Contingency, IdsThatNeverOccurredHaveNoPixels) {
  LabelMap truth = Map(kGtA);
  for (uint8_t& label : truth.labels) label = label == 2 ? 200 : label;
  const Contingency counts = Count(truth, Map(kPredA), 3);
  EXPECT_EQ(counts.num_rows(), 201);
  EXPECT_EQ(counts.ObjectArea(2), 0);
  EXPECT_EQ(counts.ObjectArea(200), 4);
  EXPECT_EQ(counts.shared(200, 1), 3);
  EXPECT_EQ(counts.ObjectArea(254), 0);
  EXPECT_EQ(counts.shared(254, 0), 0);
}

TEST(Contingency, LeavesOverlapsOutAndKeepsPixelsWithoutASlot) {
  LabelMap truth = Map("11/22"), prediction = Map("01/10");
  truth.labels[0] = kOverlapLabel;
  prediction.labels[3] = kNoSlot;
  const Contingency counts = Count(truth, prediction, 2);
  EXPECT_EQ(counts.overlap_px(), 1);
  EXPECT_EQ(counts.num_rows(), 3);
  EXPECT_EQ(counts.ObjectArea(1), 1);
  EXPECT_EQ(counts.SlotArea(0), 0);
  EXPECT_EQ(counts.ObjectArea(2), 2);
  EXPECT_EQ(counts.shared(2, 1), 1);
}

TEST(Contingency, SumOfFramesEqualsOneTallFrame) {
  Contingency sum = Count(Map(kGtD), Map(kAllZero), 3);
  sum.Add(Count(Map(kGtA), Map(kPredA), 3));
  const Contingency tall =
      Count(Map(std::string(kGtA) + "/" + kGtD), Map(std::string(kPredA) + "/" + kAllZero), 3);
  ASSERT_EQ(sum.num_rows(), tall.num_rows());
  for (int object = 0; object < 3; ++object) {
    for (int slot = 0; slot < 3; ++slot) {
      EXPECT_EQ(sum.shared(object, slot), tall.shared(object, slot));
    }
  }
}

TEST(Contingency, NothingLabelledIsNoObject) {
  EXPECT_FALSE(Contingency(2).has_objects());
  EXPECT_FALSE(Count(Map(kAllZero), Map(kAllZero), 1).has_objects());
}

}  // namespace
}  // namespace slotmatch
