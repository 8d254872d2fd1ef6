// BatchScheduler stepped by hand: time, late frames, load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/engine/batch_scheduler.h"
#include "tests/support/manual_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/timed_segmenter.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class BatchSchedulerLoad : public testing::Test {
 protected:
  BatchSchedulerLoad() {
    options_.policy.classes[0].target_wait = absl::Milliseconds(100);
    options_.policy.normal = {2, absl::Milliseconds(10)};
    options_.policy.degraded = {4, absl::Milliseconds(40)};
    options_.clock = &clock_;
    options_.own_thread = false;
    options_.on_load = [this](const Load& load) { loads_.push_back(load); };
    options_.on_batch = [this](const BatchReport& report) { reports_.push_back(report); };
    scheduler_ = std::make_unique<BatchScheduler>(options_);
  }
  void Submit(absl::Time deadline = absl::InfiniteFuture()) {
    FrameJob job;
    job.model = Borrowed(&model_);
    job.pixels.resize(3 * 8 * 8);
    job.deadline = deadline;
    job.done = [this](const absl::StatusOr<StepOutput>& output, const StepTiming& timing) {
      statuses_.push_back(output.status().code());
      queued_.push_back(timing.queue);
    };
    ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
  }
  void Pass(int milliseconds) { clock_.Advance(absl::Milliseconds(milliseconds)); }

  ManualClock clock_;
  TimedSegmenter model_{absl::Milliseconds(5), absl::Milliseconds(10),
                        [this](absl::Duration time) { clock_.Advance(time); }};
  SchedulerOptions options_;
  std::vector<Load> loads_;
  std::vector<BatchReport> reports_;
  std::vector<StatusCode> statuses_;
  std::vector<absl::Duration> queued_;
  std::unique_ptr<BatchScheduler> scheduler_;
};

TEST_F(BatchSchedulerLoad, BatchRunsWhenItIsDueAndTakesItsTime) {
  EXPECT_FALSE(scheduler_->RunDue());
  Submit();
  Pass(9);
  EXPECT_FALSE(scheduler_->RunDue()) << "another frame may come";
  Pass(1);
  EXPECT_TRUE(scheduler_->RunDue());
  Submit();
  Submit();
  EXPECT_TRUE(scheduler_->RunDue()) << "full";
  EXPECT_THAT(queued_, ElementsAre(absl::Milliseconds(10), absl::Duration(), absl::Duration()));
  ASSERT_EQ(reports_.size(), 2u);
  EXPECT_EQ(reports_[1].compute, absl::Milliseconds(25));
  EXPECT_THAT(reports_[1].waits,
              ElementsAre(std::pair(0, absl::Duration()), std::pair(0, absl::Duration())));
}

TEST_F(BatchSchedulerLoad, LateFramesAreAnsweredEvenWhenNoBatchIsDue) {
  Submit(clock_.Now() + absl::Milliseconds(4));
  Pass(5);
  EXPECT_TRUE(scheduler_->RunDue());
  EXPECT_THAT(statuses_, ElementsAre(StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ(scheduler_->queued_frames(), 0u);
}

TEST_F(BatchSchedulerLoad, ProjectedWaitIsWhatTheQueueCosts) {
  EXPECT_EQ(scheduler_->ProjectedWait("fake", 5), absl::ZeroDuration()) << "nothing is known";
  Submit();
  Submit();
  ASSERT_TRUE(scheduler_->RunDue());
  Submit();
  EXPECT_EQ(scheduler_->ProjectedWait("fake", 0), absl::Milliseconds(25));
  EXPECT_EQ(scheduler_->ProjectedWait("fake", 3), absl::Milliseconds(50));
  EXPECT_EQ(scheduler_->ProjectedWait("other", 3), absl::Milliseconds(25));
}

TEST_F(BatchSchedulerLoad, OverloadMakesBatchesLarger) {
  Submit();
  Pass(1000);
  ASSERT_TRUE(scheduler_->RunDue());
  scheduler_->Tick();
  EXPECT_THAT(loads_, ElementsAre(Load{LoadLevel::kLargerBatches, 0}));
  for (int i = 0; i < 3; ++i) Submit();
  EXPECT_FALSE(scheduler_->RunDue()) << "four fit now, and may take 40 ms to come";
  Submit();
  ASSERT_TRUE(scheduler_->RunDue());
  EXPECT_EQ(reports_.back().batch_size, 4);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(scheduler_->load().level, LoadLevel::kLargerBatches);
    Pass(1000);
    scheduler_->Tick();
  }
  EXPECT_EQ(loads_.back(), Load());
}

TEST_F(BatchSchedulerLoad, FramesThatAreDroppedAsTooLateCountAsOverload) {
  Submit(clock_.Now() + absl::Milliseconds(500));
  Pass(1000);
  scheduler_->RunDue();
  scheduler_->Tick();
  EXPECT_EQ(scheduler_->load().level, LoadLevel::kLargerBatches);
}

TEST_F(BatchSchedulerLoad, StopAnswersWhatIsLeft) {
  for (int i = 0; i < 3; ++i) Submit();
  scheduler_->Stop();
  EXPECT_THAT(statuses_, ElementsAre(StatusCode::kOk, StatusCode::kOk, StatusCode::kOk));
}

}  // namespace
}  // namespace slotmatch
