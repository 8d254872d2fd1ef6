#include "core/engine/batch_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/fake_segmenter.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

const absl::Time kStart = absl::FromUnixSeconds(1000);

class BatchQueueTest : public testing::Test {
 protected:
  static SchedulePolicy MakePolicy() {
    SchedulePolicy policy;
    policy.classes.resize(2);
    policy.classes[0].weight = 3;
    policy.tenants["heavy"] = {2, 0};
    return policy;
  }
  // A job whose arrival tells it from the others.
  void Add(int at_ms, size_t schedule_class = 0, const std::string& tenant = "",
           bool first_frame = false, Segmenter* model = nullptr) {
    QueuedJob queued;
    queued.job.schedule_class = schedule_class;
    queued.job.tenant = tenant;
    queued.job.model = Borrowed(model == nullptr ? &fake_ : model);
    if (!first_frame) queued.job.state.slots = {1};
    queued.arrived = kStart + absl::Milliseconds(at_ms);
    queue_.Add(std::move(queued));
  }
  // Arrivals of the next batch.
  std::vector<int> Take(int most) {
    std::vector<int> arrivals;
    for (const QueuedJob& queued : queue_.Take({most, {}})) {
      arrivals.push_back(static_cast<int>(absl::ToInt64Milliseconds(queued.arrived - kStart)));
    }
    return arrivals;
  }

  FakeSegmenter fake_, other_;
  SchedulePolicy policy_ = MakePolicy();
  BatchQueue queue_{&policy_};
};

TEST_F(BatchQueueTest, OldestFirstWithinAClassAndATenant) {
  for (int i = 1; i <= 5; ++i) Add(i);
  EXPECT_EQ(queue_.size(), 5u);
  EXPECT_THAT(Take(2), ElementsAre(1, 2));
  EXPECT_THAT(Take(8), ElementsAre(3, 4, 5));
  EXPECT_THAT(Take(8), ElementsAre());
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(BatchQueueTest, ClassesShareByWeight) {
  for (int i = 0; i < 20; ++i) Add(i, 1);
  for (int i = 100; i < 120; ++i) Add(i, 0);
  int favoured = 0;
  for (const int arrival : Take(16)) favoured += arrival >= 100;
  EXPECT_EQ(favoured, 12);
}

TEST_F(BatchQueueTest, TenantWithManyStreamsDoesNotStarveAnother) {
  for (int i = 0; i < 50; ++i) Add(i, 0, "crowd");
  Add(100, 0, "one");
  Add(101, 0, "one");
  EXPECT_THAT(Take(4), ElementsAre(0, 100, 1, 101)) << "came last, waits for its turn only";
}

TEST_F(BatchQueueTest, TenantsShareByWeight) {
  for (int i = 0; i < 20; ++i) Add(i, 0, "light");
  for (int i = 100; i < 120; ++i) Add(i, 0, "heavy");
  int heavy = 0;
  for (const int arrival : Take(12)) heavy += arrival >= 100;
  EXPECT_EQ(heavy, 8);
}

TEST_F(BatchQueueTest, SharesHoldOverBatches) {
  std::map<bool, int> taken;
  for (int batch = 0; batch < 30; ++batch) {
    for (int i = 0; i < 4; ++i) Add(batch, 0, "crowd");
    Add(100 + batch, 0, "one");
    for (const int arrival : Take(2)) ++taken[arrival >= 100];
  }
  EXPECT_NEAR(taken[true], 30, 1);
}

TEST_F(BatchQueueTest, BatchIsOfOneKind) {
  Add(1, 0, "", true);
  Add(2);
  Add(3, 0, "", false, &other_);
  Add(4, 0, "", true);
  Add(5);
  EXPECT_EQ(queue_.models().at(&fake_), 4);
  EXPECT_EQ(queue_.models().at(&other_), 1);
  EXPECT_THAT(Take(8), ElementsAre(1, 4)) << "the oldest and those like it";
  EXPECT_THAT(Take(8), ElementsAre(2, 5));
  EXPECT_THAT(Take(8), ElementsAre(3));
}

TEST_F(BatchQueueTest, AllowedSizesOnly) {
  policy_.allowed_sizes = {1, 4};
  for (int i = 1; i <= 6; ++i) Add(i);
  EXPECT_THAT(Take(8), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Take(8), ElementsAre(5));
  EXPECT_THAT(Take(8), ElementsAre(6));
}

TEST_F(BatchQueueTest, BatchIsDueWhenFullOrWhenTheOldestHasWaited) {
  const BatchShape shape{3, absl::Milliseconds(10)};
  EXPECT_EQ(queue_.DueAt(shape), absl::InfiniteFuture());
  Add(5);
  Add(2, 1);
  EXPECT_EQ(queue_.DueAt(shape), kStart + absl::Milliseconds(12));
  Add(6, 0, "", true);
  EXPECT_EQ(queue_.DueAt(shape), kStart + absl::Milliseconds(12)) << "another kind fills nothing";
  Add(7);
  EXPECT_EQ(queue_.DueAt(shape), absl::InfinitePast());
}

TEST_F(BatchQueueTest, FullMeansTheLargestAllowedSize) {
  policy_.allowed_sizes = {1, 2};
  Add(1);
  Add(2);
  EXPECT_EQ(queue_.DueAt({3, absl::Milliseconds(10)}), absl::InfinitePast());
}

TEST_F(BatchQueueTest, StaleFramesAreTakenWithTheReason) {
  Add(1);
  QueuedJob late, cancelled;
  late.job.model = cancelled.job.model = Borrowed(&fake_);
  late.arrived = cancelled.arrived = kStart;
  late.job.deadline = kStart + absl::Milliseconds(5);
  cancelled.job.cancelled = [] { return true; };
  queue_.Add(std::move(late));
  queue_.Add(std::move(cancelled));
  EXPECT_EQ(queue_.TakeStale(kStart + absl::Milliseconds(5)).size(), 1u) << "5 ms are not over";
  const auto stale = queue_.TakeStale(kStart + absl::Milliseconds(6));
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_THAT(stale[0].second, FailsWith(StatusCode::kDeadlineExceeded, "waited for a batch"));
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_THAT(Take(8), ElementsAre(1));
}

}  // namespace
}  // namespace slotmatch
