#include "core/engine/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/manual_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/timed_segmenter.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

// A model of 10 ms a batch of at most 4 frames, stepped by hand; sessions may find 20 ms of work.
class AdmissionTest : public testing::Test {
 protected:
  AdmissionTest() {
    options_.policy.classes.resize(2);
    options_.policy.classes[0].target_wait = absl::Milliseconds(10);
    options_.policy.normal = options_.policy.degraded = {4, absl::ZeroDuration()};
    options_.policy.tenants["small"].max_sessions = 1;
    options_.clock = &clock_;
    options_.own_thread = false;
    Start();
  }
  void Start() {
    scheduler_ = std::make_unique<BatchScheduler>(options_);
    admission_ = std::make_unique<Admission>(config_, scheduler_.get(), absl::Seconds(1), &clock_);
  }
  void Submit(int frames) {
    for (int i = 0; i < frames; ++i) {
      FrameJob job;
      job.model = Borrowed(&model_);
      job.pixels.resize(3 * 8 * 8);
      job.done = [](const absl::StatusOr<StepOutput>&, const StepTiming&) {};
      ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
    }
  }
  Admission::Verdict Admit(const std::string& tenant = "", size_t schedule_class = 0) {
    return admission_->Admit({tenant, schedule_class, model_.info().name, 1000});
  }

  ManualClock clock_;
  TimedSegmenter model_{absl::Milliseconds(10), absl::ZeroDuration(),
                        [this](absl::Duration time) { clock_.Advance(time); }};
  SchedulerOptions options_;
  config::AdmissionConfig config_;
  std::unique_ptr<BatchScheduler> scheduler_;
  std::unique_ptr<Admission> admission_;
};

TEST_F(AdmissionTest, MemoryIsReservedAndGivenBack) {
  config_.set_memory_budget_bytes(2500);
  Start();
  auto first = Admit(), second = Admit();
  ASSERT_TRUE(first.ticket && second.ticket);
  EXPECT_EQ(admission_->reserved_bytes(), 2000);
  const auto third = Admit();
  EXPECT_EQ(third.ticket, nullptr);
  EXPECT_EQ(third.refusal.reason, RefusalReason::kMemory);
  EXPECT_THAT(third.refusal.message, HasSubstr("1000 bytes; 500 of 2500"));
  clock_.Advance(absl::Seconds(3));
  first.ticket.reset();
  clock_.Advance(absl::Seconds(3));
  EXPECT_TRUE(Admit().ticket);
  second.ticket.reset();
  EXPECT_EQ(admission_->reserved_bytes(), 0);
}

TEST_F(AdmissionTest, RetryAfterIsHowFarApartSessionsEnd) {
  config_.set_memory_budget_bytes(1000);
  Start();
  for (int i = 0; i < 3; ++i) {
    auto one = Admit();
    ASSERT_TRUE(one.ticket);
    clock_.Advance(absl::Seconds(7));
  }
  const auto held = Admit();
  EXPECT_EQ(Admit().refusal.retry_after, absl::Seconds(7));
}

TEST_F(AdmissionTest, TenantHasItsOwnLimit) {
  auto small = Admit("small");
  ASSERT_TRUE(small.ticket);
  EXPECT_EQ(Admit("small").refusal.reason, RefusalReason::kTenant);
  EXPECT_TRUE(Admit("other").ticket);
  small.ticket.reset();
  EXPECT_TRUE(Admit("small").ticket);
}

TEST_F(AdmissionTest, LongQueueRefusesUntilItIsWorkedOff) {
  config_.set_max_wait_ratio(2);
  Start();
  Submit(4);
  ASSERT_TRUE(scheduler_->RunDue());  // a batch of 4 takes 10 ms
  Submit(8);
  EXPECT_TRUE(Admit().ticket) << "20 ms of work";
  Submit(3);  // and the frame that session may send
  const auto refused = Admit();
  ASSERT_EQ(refused.ticket, nullptr);
  EXPECT_EQ(refused.refusal.reason, RefusalReason::kQueue);
  EXPECT_THAT(refused.refusal.message, HasSubstr("30 ms"));
  EXPECT_EQ(refused.refusal.retry_after, absl::Milliseconds(100)) << "10 ms, but no busy loop";
  EXPECT_TRUE(Admit("", 1).ticket) << "its class may wait";
  for (int batch = 0; batch < 2; ++batch) ASSERT_TRUE(scheduler_->RunDue());
  EXPECT_TRUE(Admit().ticket);
}

TEST_F(AdmissionTest, RushIsRefusedBeforeItsFirstFrames) {
  config_.set_max_wait_ratio(2);
  Start();
  Submit(4);
  ASSERT_TRUE(scheduler_->RunDue());
  std::vector<Admission::Verdict> rush;
  for (int i = 0; i < 20; ++i) rush.push_back(Admit());
  const auto admitted = std::count_if(rush.begin(), rush.end(),
                                      [](const auto& one) { return one.ticket != nullptr; });
  EXPECT_EQ(admitted, 9) << "8 frames of them take 20 ms";
  EXPECT_EQ(rush[8].ticket->ordinal(), 8u);
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Admit().ticket) << "what they do shows in the queue by now";
}

TEST_F(AdmissionTest, LastRungRefusesWithItsTimeToRecover) {
  options_.degrade.set_max_bridged_frames(0);
  options_.degrade.set_calm_intervals(3);
  Start();
  for (int second = 0; second < 2; ++second) {
    Submit(1);
    clock_.Advance(absl::Seconds(1));
    ASSERT_TRUE(scheduler_->RunDue());
  }
  scheduler_->Tick();
  ASSERT_EQ(scheduler_->load().level, LoadLevel::kNoNewSessions);
  const auto refused = Admit("", 1);
  ASSERT_EQ(refused.ticket, nullptr);
  EXPECT_EQ(refused.refusal.reason, RefusalReason::kOverload);
  EXPECT_EQ(refused.refusal.retry_after, absl::Seconds(3));
  clock_.Advance(absl::Seconds(3));
  scheduler_->Tick();
  EXPECT_TRUE(Admit().ticket);
}

TEST(SessionBytesTest, FramesEncodedAndDecodedAndTheState) {
  ModelInfo model;
  model.input_height_px = 2;
  model.input_width_px = 5;
  model.num_slots = 3;
  model.slot_dim = 4;
  EXPECT_EQ(SessionBytes(model, 2, 100), 2 * (100 + 3 * 10 * 4) + 3 * 4 * 4);
}

}  // namespace
}  // namespace slotmatch
