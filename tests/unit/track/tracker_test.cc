#include "core/track/tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace slotmatch {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr TrackShape kRowShape = {3, 4, 8, 1};  // a row of 8 cells

// One frame: who owns which cell, '.' for nobody, and what every slot looks like.
struct Frame {
  std::string owners;
  std::string looks;  // 'a' to 'd': along that axis; 'A' to 'D': near it; 'n': not a number
};

std::vector<float> VectorOf(char look) {
  std::vector<float> vector(4);
  if (look == 'n') vector[0] = NAN;
  if (look >= 'a' && look <= 'd') vector[look - 'a'] = 1;
  if (look >= 'A' && look <= 'D') vector[look - 'A'] = 1, vector[('D' - look + 1) % 4] += 0.2f;
  return vector;
}

class TrackerTest : public testing::Test {
 protected:
  std::vector<TrackedSlot> Step(const Frame& frame) {
    std::vector<float> slots, masks(frame.looks.size() * frame.owners.size(), NAN);
    for (size_t k = 0; k < frame.looks.size(); ++k) {
      const auto vector = VectorOf(frame.looks[k]);
      slots.insert(slots.end(), vector.begin(), vector.end());
      for (size_t cell = 0; cell < frame.owners.size(); ++cell) {
        if (frame.owners[cell] == '.') continue;
        masks[k * frame.owners.size() + cell] = frame.owners[cell] == '0' + int(k) ? 1 : 0;
      }
    }
    return tracker_.Step(slots, masks, &state_);
  }
  std::vector<uint64_t> Ids(const Frame& frame) {
    std::vector<uint64_t> ids;
    for (const TrackedSlot& slot : Step(frame)) ids.push_back(slot.id);
    return ids;
  }
  void Configure(const config::TrackConfig& config) {
    tracker_ = Tracker::Create(config, kRowShape).value();
  }

  Tracker tracker_ = Tracker::Create({}, kRowShape).value();
  TrackState state_;
};

TEST_F(TrackerTest, FirstFrameBearsATrackPerVisibleSlot) {
  const auto slots = Step({"22..00..", "abc"});
  EXPECT_EQ(slots[0].id, 2u);  // numbered by place, not by slot
  EXPECT_EQ(slots[2].id, 1u);
  EXPECT_TRUE(slots[0].born && slots[2].born);
  EXPECT_FALSE(slots[1].visible() || slots[1].born);
}

TEST_F(TrackerTest, SteadySlotsKeepTheirIds) {
  EXPECT_THAT(Ids({"001122..", "abc"}), ElementsAre(1, 2, 3));
  for (int frame = 0; frame < 5; ++frame) {
    const auto slots = Step({"001122..", "ABC"});
    EXPECT_EQ(slots[0].id, 1u);
    EXPECT_EQ(slots[2].id, 3u);
    EXPECT_FALSE(slots[0].born || slots[0].returned || slots[0].part);
  }
}

TEST_F(TrackerTest, MovingObjectsKeepTheirIds) {
  EXPECT_THAT(Ids({"000...11", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({".000.11.", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"..00011.", "abc"}), ElementsAre(1, 2, 0));
  // A jump without any common cell, in the same slot and of the same look.
  EXPECT_THAT(Ids({"11....00", "abc"}), ElementsAre(1, 2, 0));
}

TEST_F(TrackerTest, IdsFollowContentsThatSwapSlots) {
  EXPECT_THAT(Ids({"0001112.", "abc"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids({"1110002.", "bac"}), ElementsAre(2, 1, 3));
  EXPECT_THAT(Ids({"2220001.", "bca"}), ElementsAre(2, 3, 1));
}

TEST_F(TrackerTest, ASlotThatShowsAnotherObjectGetsANewId) {
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  config::TrackConfig strict;
  strict.set_birth_cost(1.05);  // no overlap and another look cost 1.1
  Configure(strict);
  const auto slots = Step({"......00", "dbc"});
  EXPECT_EQ(slots[0].id, 2u);
  EXPECT_TRUE(slots[0].born);
}

TEST_F(TrackerTest, AnObjectThatReturnsGetsItsIdBack) {
  EXPECT_THAT(Ids({"0011....", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  const auto slots = Step({"00.2....", "acB"});  // in another slot
  EXPECT_EQ(slots[2].id, 2u);
  EXPECT_TRUE(slots[2].returned);
  EXPECT_FALSE(slots[2].born);
}

TEST_F(TrackerTest, AnotherLookOrAFarPlaceIsNoReturn) {
  EXPECT_THAT(Ids({"0011....", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"00.1....", "adc"}), ElementsAre(1, 3, 0));
  state_ = {};
  EXPECT_THAT(Ids({"1100....", "abc"}), ElementsAre(2, 1, 0));
  EXPECT_THAT(Ids({"..00....", "abc"}), ElementsAre(2, 0, 0));
  EXPECT_THAT(Ids({"..00...1", "abc"}), ElementsAre(2, 3, 0));
}

TEST_F(TrackerTest, HiddenTracksAreForgottenByAgeAndNumber) {
  config::TrackConfig config;
  config.set_max_hidden_frames(2);
  config.set_max_hidden_tracks(1);
  Configure(config);
  EXPECT_THAT(Ids({"001122..", "abc"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids({"0011....", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));  // 3 is hidden longest: forgotten
  EXPECT_EQ(state_.tracks_size(), 2);
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"00......", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_EQ(state_.tracks_size(), 1);
  EXPECT_THAT(Ids({"001122..", "abc"}), ElementsAre(1, 4, 5));  // never 2 or 3 again
}

TEST_F(TrackerTest, APartOfAnObjectSharesItsIdUntilItGoesItsOwnWay) {
  EXPECT_THAT(Ids({"000000..", "abc"}), ElementsAre(1, 0, 0));
  const auto split = Step({"000011..", "aAc"});
  EXPECT_EQ(split[0].id, 1u);
  EXPECT_EQ(split[1].id, 1u);
  EXPECT_TRUE(split[1].part);
  EXPECT_FALSE(split[0].part);
  EXPECT_THAT(Ids({"001111..", "aAc"}), ElementsAre(1, 1, 0));
  EXPECT_THAT(Ids({"000000..", "aAc"}), ElementsAre(1, 0, 0));  // one again
  EXPECT_THAT(Ids({"00001111", "aAc"}), ElementsAre(1, 1, 0));
  EXPECT_THAT(Ids({"0000.111", "aAc"}), ElementsAre(1, 2, 0));  // does not touch it any more
}

TEST_F(TrackerTest, APartBecomesTheWholeWhenThatIsGone) {
  EXPECT_THAT(Ids({"00000000", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"00011111", "aAc"}), ElementsAre(1, 1, 0));
  EXPECT_THAT(Ids({"...11111", "aAc"}), ElementsAre(0, 1, 0));
  const auto alone = Step({"....1111", "aAc"});
  EXPECT_EQ(alone[1].id, 1u);
  EXPECT_FALSE(alone[1].part);
}

TEST_F(TrackerTest, ANeighbourOfAnotherLookIsNoPart) {
  EXPECT_THAT(Ids({"000000..", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"000011..", "abc"}), ElementsAre(1, 2, 0));
  config::TrackConfig never;
  never.set_part_share(1.5);
  Configure(never);
  state_ = {};
  EXPECT_THAT(Ids({"000000..", "abc"}), ElementsAre(1, 0, 0));
  EXPECT_THAT(Ids({"000011..", "aAc"}), ElementsAre(1, 2, 0));
}

TEST_F(TrackerTest, SlotsBelowTheLeastAreaShowNothing) {
  config::TrackConfig config;
  config.set_min_cells(2);
  Configure(config);
  EXPECT_THAT(Ids({"00122...", "abc"}), ElementsAre(1, 0, 2));
}

TEST_F(TrackerTest, FramesWithoutAnythingHideEverything) {
  EXPECT_THAT(Ids({"........", "abc"}), Each(0u));
  EXPECT_THAT(Ids({"001122..", "abc"}), ElementsAre(1, 2, 3));
  for (int frame = 0; frame < 3; ++frame) EXPECT_THAT(Ids({"........", "abc"}), Each(0u));
  EXPECT_THAT(Ids({"001122..", "abc"}), ElementsAre(1, 2, 3));
}

TEST_F(TrackerTest, VectorsThatAreNotNumbersDoNoHarm) {
  EXPECT_THAT(Ids({"0011....", "nbc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"0011....", "nnc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"0011....", "abc"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(Ids({"0011....", "Anc"}), ElementsAre(1, 2, 0));
}

TEST(Tracker, OneSlot) {
  const Tracker tracker = Tracker::Create({}, {1, 2, 2, 1}).value();
  TrackState state;
  for (int frame = 0; frame < 3; ++frame) {
    const auto slots = tracker.Step({0.5f, 1}, {1, 1}, &state);
    ASSERT_EQ(slots.size(), 1u);
    EXPECT_EQ(slots[0].id, 1u);
    EXPECT_EQ(slots[0].born, frame == 0);
  }
}

TEST(Tracker, RefusesShapesAndSettingsThatCannotBe) {
  EXPECT_FALSE(Tracker::Create({}, {0, 2, 2, 1}).ok());
  EXPECT_FALSE(Tracker::Create({}, {256, 2, 2, 1}).ok());
  EXPECT_FALSE(Tracker::Create({}, {3, 2, 0, 1}).ok());
  config::TrackConfig config;
  config.set_min_cells(0);
  EXPECT_EQ(Tracker::Create(config, kRowShape).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// A drifting scene with noise, so that all that tracks can do happens.
struct Scene {
  std::vector<float> slots, masks;
};
constexpr TrackShape kSceneShape = {6, 8, 5, 4};
std::vector<Scene> RandomScenes(int frames, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<Scene> scenes;
  Scene scene = {std::vector<float>(6 * 8), std::vector<float>(6 * 20)};
  for (int frame = 0; frame < frames; ++frame) {
    for (float& value : scene.slots) value = 0.9f * value + 0.4f * normal(random);
    for (float& value : scene.masks) value = 0.8f * value + 0.6f * normal(random);
    scenes.push_back(scene);
  }
  return scenes;
}

bool Same(const TrackedSlot& a, const TrackedSlot& b) {
  return a.id == b.id && a.born == b.born && a.returned == b.returned && a.part == b.part;
}

TEST(Tracker, PermutingSlotsPermutesResultsOnly) {
  const Tracker tracker = Tracker::Create({}, kSceneShape).value();
  std::mt19937 random(3);
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<int> order(6);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    TrackState state, permuted_state;
    for (const Scene& scene : RandomScenes(30, seed)) {
      Scene permuted;
      for (const int k : order) {
        const auto slot = scene.slots.begin() + k * 8, mask = scene.masks.begin() + k * 20;
        permuted.slots.insert(permuted.slots.end(), slot, slot + 8);
        permuted.masks.insert(permuted.masks.end(), mask, mask + 20);
      }
      const auto a = tracker.Step(scene.slots, scene.masks, &state);
      const auto b = tracker.Step(permuted.slots, permuted.masks, &permuted_state);
      for (int k = 0; k < 6; ++k) ASSERT_TRUE(Same(a[order[k]], b[k])) << "seed " << seed;
    }
  }
}

TEST(Tracker, ResultsAreTheSameAgainAndAcrossBytes) {
  const Tracker tracker = Tracker::Create({}, kSceneShape).value();
  TrackState state, carried;
  for (const Scene& scene : RandomScenes(60, 11)) {
    carried = ParseTrackState(SerializeTrackState(carried), kSceneShape).value();
    const auto a = tracker.Step(scene.slots, scene.masks, &state);
    const auto b = tracker.Step(scene.slots, scene.masks, &carried);
    for (int k = 0; k < 6; ++k) ASSERT_TRUE(Same(a[k], b[k]));
    ASSERT_EQ(SerializeTrackState(state), SerializeTrackState(carried));
  }
}

TEST(Tracker, NewIdsAreNeverOldOnes) {
  const Tracker tracker = Tracker::Create({}, kSceneShape).value();
  TrackState state;
  uint64_t newest = 0;
  for (const Scene& scene : RandomScenes(200, 13)) {
    uint64_t newest_of_frame = newest;
    for (const TrackedSlot& slot : tracker.Step(scene.slots, scene.masks, &state)) {
      if (slot.born) {
        EXPECT_GT(slot.id, newest);
        newest_of_frame = std::max(newest_of_frame, slot.id);
      } else {
        EXPECT_LE(slot.id, newest);
      }
    }
    newest = newest_of_frame;
    EXPECT_GT(state.next_id(), newest);
    EXPECT_LE(state.tracks_size(), 6 + config::TrackConfig().max_hidden_tracks());
  }
}

}  // namespace
}  // namespace slotmatch
