#include "trainer/eval/tracks.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"

namespace slotmatch {
namespace {

int64_t Switches(const std::vector<std::pair<const char*, const char*>>& frames) {
  IdentitySwitches switches;
  for (const auto& [truth, prediction] : frames) switches.AddFrame(Count(truth, prediction));
  return switches.count();
}

TEST(IdentitySwitches, CountsEveryObjectThatChangesItsSlot) {
  EXPECT_EQ(Switches({{"1122", "0011"}, {"1122", "0011"}}), 0);
  EXPECT_EQ(Switches({{"1122", "0011"}, {"1122", "1100"}}), 2);
  EXPECT_EQ(Switches({{"1122", "0011"}, {"1122", "0022"}}), 1);
}

TEST(IdentitySwitches, ReturningToAnOldSlotCountsAgain) {
  EXPECT_EQ(Switches({{"11", "00"}, {"11", "11"}, {"11", "00"}}), 2);
}

TEST(IdentitySwitches, HiddenFramesAreSkipped) {
  EXPECT_EQ(Switches({{"11", "00"}, {"00", "22"}, {"11", "00"}}), 0);
  EXPECT_EQ(Switches({{"11", "00"}, {"00", "22"}, {"11", "11"}}), 1);
  EXPECT_EQ(Switches({{"00", "00"}, {"11", "11"}}), 0);  // the first sight is no switch
}

TEST(IdentitySwitches, TheSlotWithMostPixelsCountsAndTiesKeepTheSlot) {
  EXPECT_EQ(Switches({{"1111", "0001"}, {"1111", "0011"}, {"1111", "0111"}}), 1);
  EXPECT_EQ(Switches({{"1111", "1111"}, {"1111", "0011"}}), 0);
}

TEST(Purity, IsTheShareOfTheMainSlotAndOfTheMainObject) {
  const Contingency counts = Count("1111/2222/0000", "0001/1122/2222");
  EXPECT_DOUBLE_EQ(*ObjectPurity(counts), (3.0 / 4 + 2.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(*SlotPurity(counts), (1.0 + 2.0 / 3 + 1.0) / 3);
}

TEST(Purity, SlotsWithoutObjectPixelsDoNotCount) {
  EXPECT_DOUBLE_EQ(*SlotPurity(Count("1100", "0022")), 1.0);
}

TEST(Purity, NoObjectHasNoValue) {
  EXPECT_FALSE(ObjectPurity(Count(kAllZero, kAllZero)).has_value());
  EXPECT_FALSE(SlotPurity(Count(kAllZero, kAllZero)).has_value());
}

}  // namespace
}  // namespace slotmatch
