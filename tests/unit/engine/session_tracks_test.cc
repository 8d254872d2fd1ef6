#include "core/engine/session_tracks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/engine/session_harness.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

class SessionTracksTest : public SessionHarness {
 protected:
  // IDs of frames 0 to 7 of a session, going on from `resume` at frame `first`.
  std::vector<FrameOutcome> Run(const StreamOptions& options, uint64_t first = 0) {
    Outcomes outcomes;
    const auto session = Open(&outcomes, options);
    for (uint64_t id = first; id < 8; ++id) session->Submit(PngFrame(id));
    return outcomes.Wait(8 - first);
  }
  StreamOptions Tracked() const {
    StreamOptions options;
    options.tracker = MakeTracker({}, fake_.info()).value();
    return options;
  }
};

TEST_F(SessionTracksTest, WithoutATrackerIdsAreSlotIndices) {
  for (const FrameOutcome& outcome : Run({})) {
    EXPECT_THAT(outcome.result->ids, ElementsAre(0, 1, 2));
    EXPECT_EQ(outcome.point.track, "");
  }
}

TEST_F(SessionTracksTest, IdsAreTheTrackersInTheOrderOfTheFrames) {
  const StreamOptions options = Tracked();
  StreamState state;
  TrackState tracks;
  const auto outcomes = Run(options);
  for (uint64_t id = 0; id < 8; ++id) {
    const StepOutput step = StepOn(MakePicture(9, 9, static_cast<uint32_t>(id)), state);
    state = step.next_state;
    std::vector<uint64_t> ids;
    for (const TrackedSlot& slot : options.tracker->Step(step.slots, step.masks, &tracks)) {
      ids.push_back(slot.id);
    }
    EXPECT_EQ(outcomes[id].result->ids, ids);
    EXPECT_EQ(outcomes[id].point.track, SerializeTrackState(tracks));
  }
}

TEST_F(SessionTracksTest, IdsGoOnWhereASessionResumes) {
  StreamOptions options = Tracked();
  const auto whole = Run(options);
  options.resume = whole[3].point;
  const auto rest = Run(options, 4);
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].result->ids, whole[i + 4].result->ids);
    EXPECT_EQ(rest[i].point.track, whole[i + 4].point.track);
  }
}

TEST_F(SessionTracksTest, AStateThatBeginsAnewTakesNoOldIds) {
  Outcomes outcomes;
  const auto session = Open(&outcomes, Tracked());
  session->Submit(PngFrame(0));
  outcomes.Wait(1);
  fake_.PoisonNext();
  session->Submit(PngFrame(1));
  outcomes.Wait(2);
  session->Submit(PngFrame(2));
  const auto all = outcomes.Wait(3);
  EXPECT_THAT(all[0].result->ids, ElementsAre(1, 2, 3));
  for (const uint64_t id : all[2].result->ids) EXPECT_GT(id, 3u);
}

TEST_F(SessionTracksTest, TracksOfAnotherShapeAreRefused) {
  SessionTracks tracks(Tracked().tracker, "");
  tracks.Step(StepOn(MakePicture(9, 9), {}), fake_.info());
  ModelInfo other = fake_.info();
  EXPECT_TRUE(CheckTracks(tracks.bytes(), other).ok());
  EXPECT_TRUE(CheckTracks("", other).ok());
  other.grid_width = 5;
  EXPECT_EQ(CheckTracks(tracks.bytes(), other).code(), absl::StatusCode::kDataLoss);
  other.num_slots = 300;
  EXPECT_FALSE(MakeTracker({}, other).ok());
}

TEST_F(SessionTracksTest, HealthTellsBirthsAndSlotsThatShowAnotherTrack) {
  SessionTracks tracks(MakeTracker({}, fake_.info()).value(), "");
  StepOutput step = StepOn(MakePicture(9, 9), {});
  SlotHealth first, same, swapped;
  tracks.Step(step, fake_.info(), &first);
  EXPECT_EQ(first.tracks_born, 3);
  EXPECT_EQ(first.churn, 0);
  tracks.Step(step, fake_.info(), &same);
  EXPECT_EQ(same.tracks_born, 0);
  EXPECT_EQ(same.churn, 0);
  std::swap_ranges(step.slots.begin(), step.slots.begin() + 4, step.slots.begin() + 4);
  std::swap_ranges(step.masks.begin(), step.masks.begin() + 16, step.masks.begin() + 16);
  tracks.Step(step, fake_.info(), &swapped);
  EXPECT_NEAR(swapped.churn, 2.0 / 3, 1e-9);
  EXPECT_EQ(swapped.tracks_born, 0);
}

}  // namespace
}  // namespace slotmatch
