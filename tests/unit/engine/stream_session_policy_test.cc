// StreamSession: frames that are dropped, missing or late, and states that travel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/engine/stream_session.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/engine/session_harness.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class StreamSessionPolicy : public SessionHarness {
 protected:
  static StreamOptions With(FramePolicy policy, int max_waiting = 2) {
    StreamOptions options;
    options.frame_policy = policy;
    options.max_waiting = max_waiting;
    return options;
  }

  // Holds frame 0 in the model, sends 1 to 5 and lets go; ids of the dropped ones.
  std::vector<uint64_t> DroppedOf(const StreamOptions& options, DropReason reason) {
    Outcomes outcomes;
    const auto session = Open(&outcomes, options);
    fake_.Hold();
    session->Submit(PngFrame(0));
    EXPECT_TRUE(fake_.WaitUntilInside());
    for (uint64_t id = 1; id <= 5; ++id) session->Submit(PngFrame(id));
    fake_.Release();
    std::vector<uint64_t> dropped;
    StreamState state;
    uint64_t next = 0, expected_id = 0;
    for (const FrameOutcome& outcome : outcomes.Wait(6)) {
      EXPECT_EQ(outcome.id, expected_id++);
      EXPECT_EQ(outcome.point.last_frame_id, outcome.id);
      if (outcome.dropped.has_value()) {
        EXPECT_EQ(*outcome.dropped, reason);
        EXPECT_THAT(outcome.result, FailsWith(StatusCode::kAborted, "frame"));
        dropped.push_back(outcome.id);
        continue;
      }
      // The dropped frames before this one count as missing.
      const auto id = static_cast<uint32_t>(outcome.id);
      const int missing = state.first_frame() ? 0 : static_cast<int>(id - next);
      const StepOutput step = StepOn(MakePicture(9, 9, id), state, missing);
      EXPECT_THAT(outcome.result, IsOk());
      EXPECT_EQ(outcome.result->vectors, step.slots) << id;
      EXPECT_EQ(outcome.point.state.slots, step.next_state.slots);
      EXPECT_EQ(outcome.point.state_frame_id, id);
      state = step.next_state;
      next = id + 1;
    }
    return dropped;
  }
};

TEST_F(StreamSessionPolicy, BlockDropsNothing) {
  EXPECT_THAT(DroppedOf(With(FramePolicy::kBlock), DropReason::kQueueFull), ElementsAre());
}

TEST_F(StreamSessionPolicy, DropOldestKeepsTheNewestFrames) {
  EXPECT_THAT(DroppedOf(With(FramePolicy::kDropOldest), DropReason::kQueueFull),
              ElementsAre(1, 2, 3));
}

TEST_F(StreamSessionPolicy, DropNewestKeepsTheOldestFrames) {
  EXPECT_THAT(DroppedOf(With(FramePolicy::kDropNewest), DropReason::kQueueFull),
              ElementsAre(3, 4, 5));
}

TEST_F(StreamSessionPolicy, LatestOnlyKeepsOneFrame) {
  EXPECT_THAT(DroppedOf(With(FramePolicy::kLatestOnly), DropReason::kSuperseded),
              ElementsAre(1, 2, 3, 4));
}

TEST_F(StreamSessionPolicy, DroppingManyFramesNeedsNoMorePlacesInThePool) {
  Stop();
  Start(1, 4);
  Outcomes outcomes;
  const auto session = Open(&outcomes, With(FramePolicy::kDropOldest, 2));
  fake_.Hold();
  session->Submit(PngFrame(0));
  ASSERT_TRUE(fake_.WaitUntilInside());
  for (uint64_t id = 1; id < 500; ++id) session->Submit(PngFrame(id));
  fake_.Release();
  const auto got = outcomes.Wait(500);
  for (uint64_t id = 0; id < 500; ++id) {
    EXPECT_EQ(got[id].id, id);
    EXPECT_TRUE(got[id].result.ok() || got[id].dropped.has_value()) << got[id].result.status();
  }
  EXPECT_THAT(got[499].result, IsOk());
}

TEST_F(StreamSessionPolicy, DropWaitingLeavesTheComputedFrame) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  fake_.Hold();
  for (uint64_t id = 0; id < 4; ++id) session->Submit(PngFrame(id));
  ASSERT_TRUE(fake_.WaitUntilInside());
  session->DropWaiting(DropReason::kDraining);
  fake_.Release();
  const auto got = outcomes.Wait(4);
  EXPECT_THAT(got[0].result, IsOk());
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(got[i].dropped, DropReason::kDraining);
  EXPECT_EQ(got[3].point.last_frame_id, 3u);
  EXPECT_EQ(got[3].point.state_frame_id, 0u);
  EXPECT_EQ(got[3].point.state.slots, got[0].point.state.slots);
}

TEST_F(StreamSessionPolicy, UnsentResultsHoldTheModelBack) {
  Outcomes outcomes;
  StreamOptions options = With(FramePolicy::kLatestOnly);
  options.max_unsent = 2;
  const auto session = Open(&outcomes, options);
  for (uint64_t id = 0; id < 2; ++id) {
    session->Submit(PngFrame(id));
    outcomes.Wait(id + 1);
  }
  for (uint64_t id = 2; id < 5; ++id) session->Submit(PngFrame(id));
  EXPECT_EQ(outcomes.Wait(4).size(), 4u) << "2 and 3 were superseded, 4 waits";
  EXPECT_EQ(fake_.num_frames(), 2);
  session->Sent();
  EXPECT_THAT(outcomes.Wait(5)[4].result, IsOk());
}

TEST_F(StreamSessionPolicy, FailedFramesDoNotCountAsUnsent) {
  Outcomes outcomes;
  StreamOptions options;
  options.max_unsent = 1;
  const auto session = Open(&outcomes, options);
  for (uint64_t id = 0; id < 3; ++id) {
    fake_.FailNext(absl::InternalError("broken"));
    session->Submit(PngFrame(id));
    EXPECT_THAT(outcomes.Wait(id + 1)[id].result, FailsWith(StatusCode::kInternal, "broken"));
  }
  session->Submit(PngFrame(3));
  EXPECT_THAT(outcomes.Wait(4)[3].result, IsOk());
}

TEST_F(StreamSessionPolicy, MissingIdsAreBridgedUpToTheLimit) {
  StreamOptions options;
  options.max_gap_steps = 3;
  Outcomes outcomes;
  const auto session = Open(&outcomes, options);
  StreamState state;
  const std::pair<uint64_t, int> frames[] = {{5, 0}, {6, 0}, {9, 2}, {10, 0}, {1000, 3}};
  size_t done = 0;
  for (const auto& [id, skipped] : frames) {
    session->Submit(PngFrame(id));
    const StepOutput step = StepOn(MakePicture(9, 9, static_cast<uint32_t>(id)), state, skipped);
    const FrameOutcome outcome = outcomes.Wait(++done).back();
    EXPECT_EQ(outcome.result->vectors, step.slots) << id;
    state = step.next_state;
    EXPECT_EQ(outcome.point.state.step, state.step);
  }
}

TEST_F(StreamSessionPolicy, ModelOfSinglePicturesHasNothingToBridgeAndItsStatesCanBeResumed) {
  fake_.ForgetState();
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  session->Submit(PngFrame(1));
  session->Submit(PngFrame(7));
  const FrameOutcome outcome = outcomes.Wait(2)[1];
  ASSERT_THAT(outcome.result, IsOk());
  EXPECT_EQ(outcome.result->vectors, Expected({MakePicture(9, 9, 7)})[0]);
  EXPECT_FALSE(outcome.state_reset);
  const StateSealer sealer;
  const auto opened =
      sealer.Open(sealer.Seal(fake_.info(), outcome.point).value(), {fake_.info()}, 0);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->point.last_frame_id, 7u);
}

TEST_F(StreamSessionPolicy, FailedFramesAreMissingToo) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  session->Submit(PngFrame(1));
  session->Submit(BadFrame(2));
  session->Submit(PngFrame(3));
  const auto got = outcomes.Wait(3);
  const StepOutput first = StepOn(MakePicture(9, 9, 1), {});
  EXPECT_EQ(got[1].point.state.slots, first.next_state.slots);
  EXPECT_EQ(got[1].point.state_frame_id, 1u);
  EXPECT_EQ(got[2].result->vectors, StepOn(MakePicture(9, 9, 3), first.next_state, 1).slots);
}

TEST_F(StreamSessionPolicy, ExpiredFramesAreDroppedBeforeTheyAreComputed) {
  Outcomes outcomes;
  const auto session = Open(&outcomes);
  fake_.Hold();
  session->Submit(PngFrame(0));
  ASSERT_TRUE(fake_.WaitUntilInside());
  SourceFrame late = PngFrame(1);
  late.expires = absl::Now() + absl::Milliseconds(20);
  session->Submit(std::move(late));
  SourceFrame patient = PngFrame(2);
  patient.expires = absl::Now() + absl::Hours(1);
  session->Submit(std::move(patient));
  absl::SleepFor(absl::Milliseconds(40));
  fake_.Release();
  const auto got = outcomes.Wait(3);
  EXPECT_THAT(got[0].result, IsOk());
  EXPECT_EQ(got[1].dropped, DropReason::kDeadline);
  EXPECT_THAT(got[2].result, IsOk());
  EXPECT_EQ(fake_.num_frames(), 2);
}

TEST_F(StreamSessionPolicy, StreamsDeadlineIsAFailureNotADrop) {
  Outcomes outcomes;
  SourceFrame late = PngFrame(1);
  late.deadline = absl::Now() - absl::Seconds(1);
  late.expires = absl::Now() + absl::Hours(1);
  Open(&outcomes)->Submit(std::move(late));
  const auto got = outcomes.Wait(1);
  EXPECT_FALSE(got[0].dropped.has_value());
  EXPECT_THAT(got[0].result, FailsWith(StatusCode::kDeadlineExceeded, "deadline"));
}

TEST_F(StreamSessionPolicy, PoisonedStateBeginsAnewInItsSessionOnly) {
  Outcomes poisoned, other;
  const auto a = Open(&poisoned), b = Open(&other);
  b->Submit(PngFrame(1));
  other.Wait(1);
  a->Submit(PngFrame(1));
  poisoned.Wait(1);
  fake_.PoisonNext();
  a->Submit(PngFrame(2));
  const auto got = poisoned.Wait(2);
  EXPECT_THAT(got[1].result, IsOk()) << "this frame's own slots and masks are fine";
  EXPECT_TRUE(got[1].state_reset);
  EXPECT_TRUE(got[1].point.state.first_frame());
  EXPECT_FALSE(got[1].point.state_frame_id.has_value());
  a->Submit(PngFrame(7));
  const FrameOutcome fresh = poisoned.Wait(3)[2];
  EXPECT_FALSE(fresh.state_reset);
  EXPECT_EQ(fresh.result->vectors, Expected({MakePicture(9, 9, 7)})[0]);
  b->Submit(PngFrame(2));
  EXPECT_EQ(other.Wait(2)[1].result->vectors,
            Expected({MakePicture(9, 9, 1), MakePicture(9, 9, 2)})[1]);
}

// Frames of which some are bad and some ids are missing, cut after every frame and gone on with
// from the state that left then.
TEST_F(StreamSessionPolicy, ResumedAnywhereItEqualsTheUndisturbedSession) {
  const std::vector<uint64_t> ids = {3, 4, 6, 7, 11, 12};
  const auto frame = [&](uint64_t id) { return id == 7 ? BadFrame(id) : PngFrame(id); };
  Outcomes whole;
  const auto undisturbed = Open(&whole);
  for (const uint64_t id : ids) undisturbed->Submit(frame(id));
  const auto expected = whole.Wait(ids.size());
  for (size_t cut = 0; cut < ids.size(); ++cut) {
    StreamOptions options;
    options.resume = expected[cut].point;
    Outcomes rest;
    const auto resumed = Open(&rest, options);
    for (size_t i = cut + 1; i < ids.size(); ++i) resumed->Submit(frame(ids[i]));
    const auto got = rest.Wait(ids.size() - cut - 1);
    for (size_t i = 0; i < got.size(); ++i) {
      const FrameOutcome& want = expected[cut + 1 + i];
      EXPECT_EQ(got[i].id, want.id);
      EXPECT_EQ(got[i].point.state.slots, want.point.state.slots) << cut << " " << i;
      EXPECT_EQ(got[i].point.state.step, want.point.state.step);
      ASSERT_EQ(got[i].result.ok(), want.result.ok());
      if (!want.result.ok()) continue;
      EXPECT_EQ(got[i].result->vectors, want.result->vectors) << cut << " " << i;
      EXPECT_EQ(got[i].result->mask, want.result->mask);
    }
  }
}

}  // namespace
}  // namespace slotmatch
