// StreamSession under a degraded scheduler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/engine/stream_session.h"
#include "tests/support/manual_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/engine/session_harness.h"

namespace slotmatch {
namespace {

// A scheduler stepped by hand that bridges three frames for every one computed.
class StreamSessionLoad : public SessionHarness {
 protected:
  StreamSessionLoad() {
    Stop();
    SchedulerOptions options;
    options.policy.classes[0].target_wait = absl::Milliseconds(1);
    options.policy.normal.max_delay = options.policy.degraded.max_delay = absl::ZeroDuration();
    options.degrade.set_max_bridged_frames(4);
    options.clock = &clock_;
    options.own_thread = false;
    Start(3, 64);
    scheduler_ = std::make_unique<BatchScheduler>(options);
    while (scheduler_->load().bridged_frames < 4) Overload();
    fake_.Forget();
  }
  // An interval in which a frame waited too long.
  void Overload() {
    FrameJob job;
    job.model = Borrowed(&fake_);
    job.pixels.resize(3 * 8 * 8);
    job.done = [](const absl::StatusOr<StepOutput>&, const StepTiming&) {};
    ASSERT_THAT(scheduler_->Submit(std::move(job)), IsOk());
    clock_.Advance(absl::Seconds(1));
    scheduler_->RunDue();
  }
  StreamOptions Degradable() const {
    StreamOptions options;
    options.frame_policy = FramePolicy::kLatestOnly;
    options.degradable = true;
    options.resume.state = StepOn(MakePicture(9, 9, 0), {}).next_state;
    options.resume.state_frame_id = options.resume.last_frame_id = 0;
    return options;
  }
  // Outcomes of frames 1 to `count`, one after the other; letters: r result, b bridged.
  std::string Letters(const StreamOptions& options, uint64_t count) {
    Outcomes outcomes;
    const auto session = Open(&outcomes, options);
    std::string letters;
    for (uint64_t id = 1; id <= count; ++id) {
      session->Submit(PngFrame(id));
      while (outcomes.size() < id) {
        if (!scheduler_->RunDue()) absl::SleepFor(absl::Milliseconds(1));
      }
      const FrameOutcome outcome = outcomes.Wait(id).back();
      EXPECT_EQ(outcome.id, id);
      const bool bridged = outcome.dropped.has_value();
      EXPECT_TRUE(!bridged || *outcome.dropped == DropReason::kOverload);
      letters += bridged ? 'b' : 'r';
      last_ = outcome;
    }
    return letters;
  }

  ManualClock clock_;
  FrameOutcome last_;
};

TEST_F(StreamSessionLoad, ComputesOneFrameAndBridgesTheOthers) {
  EXPECT_EQ(Letters(Degradable(), 5), "bbbbr");
  EXPECT_EQ(fake_.num_frames(), 1);
  const StepOutput bridged =
      StepOn(MakePicture(9, 9, 5), StepOn(MakePicture(9, 9, 0), {}).next_state, 4);
  EXPECT_EQ(last_.result->vectors, bridged.slots) << "four steps of the predictor, then the frame";
}

TEST_F(StreamSessionLoad, SessionsTakeTurns) {
  StreamOptions options = Degradable();
  options.bridge_phase = 2;
  EXPECT_EQ(Letters(options, 7), "bbrbbbb");
}

TEST_F(StreamSessionLoad, SessionThatIsNotDegradableComputesAll) {
  StreamOptions options = Degradable();
  options.degradable = false;
  EXPECT_EQ(Letters(options, 4), "rrrr");
}

TEST_F(StreamSessionLoad, FirstFrameIsNeverBridged) {
  StreamOptions options = Degradable();
  options.resume = {};
  EXPECT_EQ(Letters(options, 6), "rbbbbr");
}

}  // namespace
}  // namespace slotmatch
