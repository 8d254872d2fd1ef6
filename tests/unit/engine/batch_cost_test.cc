#include "core/engine/batch_cost.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(BatchCost, NothingIsKnownBeforeTheFirstBatch) {
  EXPECT_EQ(BatchCost().TimeFor(10, 4), absl::ZeroDuration());
}

TEST(BatchCost, WholeBatchesAndTheRest) {
  BatchCost cost;
  cost.Learn(4, absl::Milliseconds(20));
  cost.Learn(2, absl::Milliseconds(12));
  EXPECT_EQ(cost.TimeFor(0, 4), absl::ZeroDuration());
  EXPECT_EQ(cost.TimeFor(4, 4), absl::Milliseconds(20));
  EXPECT_EQ(cost.TimeFor(10, 4), absl::Milliseconds(52));
  EXPECT_EQ(cost.TimeFor(3, 4), absl::Milliseconds(20)) << "as a batch of 4";
  EXPECT_EQ(cost.TimeFor(8, 8), absl::Milliseconds(40)) << "never ran: twice a batch of 4";
}

TEST(BatchCost, FollowsTheMachineButNotAHiccup) {
  BatchCost cost;
  cost.Learn(1, absl::Seconds(3));  // cold
  cost.Learn(1, absl::Milliseconds(10));
  cost.Learn(1, absl::Seconds(1));
  EXPECT_EQ(cost.TimeFor(1, 1), absl::Milliseconds(10));
  for (int i = 0; i < 8; ++i) cost.Learn(1, absl::Milliseconds(30));
  EXPECT_EQ(cost.TimeFor(1, 1), absl::Milliseconds(30));
}

}  // namespace
}  // namespace slotmatch
