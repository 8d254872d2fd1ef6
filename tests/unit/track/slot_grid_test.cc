#include "core/track/slot_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace slotmatch {
namespace {

using testing::Each;
using testing::ElementsAre;

std::string Owners(std::initializer_list<int> owners) {
  return std::string(owners.begin(), owners.end());
}

TEST(SlotGrid, CellsBelongToTheLargestMask) {
  const std::vector<float> masks = {0.9f, 0.2f, 0.5f, 0.1f,  //
                                    0.1f, 0.8f, 0.5f, 0.9f};
  const SlotGrid grid = MakeSlotGrid(masks, {2, 1, 2, 2});
  EXPECT_EQ(grid.owners, Owners({0, 1, 0, 1}));
  EXPECT_EQ(grid.regions[0].cells, 2);
  EXPECT_EQ(grid.regions[1].first_cell, 1);
  EXPECT_EQ(grid.regions[1].center_x, 256u);
  EXPECT_EQ(grid.regions[1].center_y, 128u);
}

TEST(SlotGrid, ValuesThatAreNotNumbersOwnNothing) {
  const std::vector<float> masks = {NAN, NAN,  0.1f,  //
                                    NAN, 0.3f, NAN};
  const SlotGrid grid = MakeSlotGrid(masks, {2, 1, 3, 1});
  EXPECT_EQ(grid.owners, Owners({kNoOwner, 1, 0}));
  EXPECT_EQ(MakeSlotGrid(std::vector<float>(3, NAN), {1, 1, 3, 1}).regions[0].first_cell, 3);
}

TEST(SharedCells, CountsEveryPairOfSlots) {
  const std::string before = Owners({0, 0, 1, 1, kNoOwner}), now = Owners({0, 1, 1, kNoOwner, 0});
  EXPECT_THAT(SharedCells(now, before, 2), ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(SharedCells(now, "", 2), Each(0));
}

TEST(TouchingSlots, NeedsACommonSide) {
  // 0 0 1
  // 2 0 0
  EXPECT_THAT(TouchingSlots(Owners({0, 0, 1, 2, 0, 0}), {3, 1, 3, 2}),
              ElementsAre(true, true, true, true, false, false, true, false, false));
}

}  // namespace
}  // namespace slotmatch
