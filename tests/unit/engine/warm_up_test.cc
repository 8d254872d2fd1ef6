#include "core/engine/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_segmenter.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

TEST(WarmUpTest, RunsAFirstAndALaterFrame) {
  FakeSegmenter fake;
  BatchScheduler scheduler{SchedulerOptions{}};
  EXPECT_THAT(WarmUp(Borrowed(&fake), &scheduler), IsOk());
  const auto batches = fake.batches();
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[0].first_frames);
  EXPECT_FALSE(batches[1].first_frames);
}

TEST(WarmUpTest, FailsAsTheModelDoes) {
  FakeSegmenter fake;
  BatchScheduler scheduler{SchedulerOptions{}};
  fake.FailNext(absl::InternalError("broken"));
  EXPECT_THAT(WarmUp(Borrowed(&fake), &scheduler),
              FailsWith(absl::StatusCode::kInternal, "broken"));
}

}  // namespace
}  // namespace slotmatch
