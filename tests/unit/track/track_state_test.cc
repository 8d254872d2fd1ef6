#include "core/track/track_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "core/track/tracker.h"

namespace slotmatch {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr TrackShape kShape = {3, 2, 2, 2};

TrackState SmallState() {
  TrackState state;
  state.set_version(1);
  state.set_next_id(4);
  state.set_owners(std::string("\0\1\1\xff", 4));
  for (const uint64_t id : {1, 3, 0}) state.add_shown(id);
  for (const uint32_t id : {1u, 3u}) {
    TrackState::Track& track = *state.add_tracks();
    track.set_id(id);
    track.set_slot(id == 1 ? 0 : 1);
    track.set_hidden_frames(0);
    track.set_direction("ab");
  }
  return state;
}

std::string Error(const TrackState& state) {
  return std::string(ParseTrackState(state.SerializeAsString(), kShape).status().message());
}

TEST(TrackState, GoesThroughBytesUnchanged) {
  const std::string bytes = SerializeTrackState(SmallState());
  const auto parsed = ParseTrackState(bytes, kShape);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->DebugString(), SmallState().DebugString());
  EXPECT_EQ(SerializeTrackState(*parsed), bytes);
}

TEST(TrackState, BeforeTheFirstFrameIsAStateToo) {
  const auto parsed = ParseTrackState(SerializeTrackState({}), kShape);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->next_id(), 1u);
}

TEST(TrackState, BytesThatDoNotFitAreNamed) {
  struct Case {
    std::function<void(TrackState*)> change;
    const char* error;
  };
  const Case cases[] = {
      {[](TrackState* s) { s->clear_version(); }, "version 0, this build reads 1"},
      {[](TrackState* s) { s->set_version(2); }, "version 2, this build reads 1"},
      {[](TrackState* s) { s->set_owners("\1"); }, "owners has 1 values, the model needs 4"},
      {[](TrackState* s) { s->set_owners("\7\7\7\7"); }, "a cell belongs to slot 7"},
      {[](TrackState* s) { s->add_shown(1); }, "shown has 4 values, the model needs 3"},
      {[](TrackState* s) { s->set_shown(0, 4); }, "ID 4 is shown"},
      {[](TrackState* s) { s->set_next_id(0); }, "the next ID is 0"},
      {[](TrackState* s) { s->set_next_id(~uint64_t{0}); }, "the next ID is"},
      {[](TrackState* s) { s->set_next_id(3); }, "ID 3 after 1 and before 3 is out of order"},
      {[](TrackState* s) { s->mutable_tracks(1)->set_id(1); }, "ID 1 after 1"},
      {[](TrackState* s) { s->mutable_tracks(0)->clear_id(); }, "ID 0 after 0"},
      {[](TrackState* s) { s->mutable_tracks(1)->set_slot(0); }, "slot 0 has two tracks"},
      {[](TrackState* s) { s->mutable_tracks(1)->set_slot(3); }, "track 3 is in slot 3"},
      {[](TrackState* s) { s->mutable_tracks(1)->set_direction("abc"); },
       "direction of track 3 has 3 values"},
  };
  for (const Case& c : cases) {
    TrackState state = SmallState();
    c.change(&state);
    EXPECT_THAT(Error(state), HasSubstr(c.error));
  }
  EXPECT_THAT(std::string(ParseTrackState("no state", kShape).status().message()),
              HasSubstr("cut short or foreign"));
}

TEST(TrackState, DamagedBytesNeverPassAsAnotherShape) {
  const std::string bytes = SerializeTrackState(SmallState());
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = bytes.substr(0, random() % (bytes.size() + 1));
    for (int i = random() % 3; i > 0 && !damaged.empty(); --i) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto parsed = ParseTrackState(damaged, kShape);
    if (!parsed.ok()) continue;
    TrackState state = *parsed;  // whatever is accepted can be used
    const std::vector<float> slots(6, 1.0f), masks(12, 0.3f);
    EXPECT_EQ(Tracker::Create({}, kShape)->Step(slots, masks, &state).size(), 3u);
  }
}

// 15 slots of width 128 on a grid of 16 x 16, all that can be hidden is.
TEST(TrackState, IsSmall) {
  const TrackShape shape = {15, 128, 16, 16};
  config::TrackConfig config;
  config.set_birth_cost(0);  // all tracks are new in every frame
  const Tracker tracker = Tracker::Create(config, shape).value();
  TrackState state;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (int frame = 0; frame < 20; ++frame) {
    std::vector<float> slots(15 * 128), masks(15 * 256);
    for (float& value : slots) value = normal(random);
    for (float& value : masks) value = normal(random);
    tracker.Step(slots, masks, &state);
  }
  EXPECT_EQ(state.tracks_size(), 15 + config::TrackConfig().max_hidden_tracks());
  EXPECT_LE(SerializeTrackState(state).size(), 6000u);
}

TEST(Direction, KeepsTheDirectionAndForgetsTheLength) {
  const std::vector<float> vector = {3, -4, 0.5f}, twice = {6, -8, 1};
  const auto a = UnitVector(vector), b = UnitVector(twice);
  EXPECT_NEAR(Dot(a, b), 1, 1e-12);
  EXPECT_GT(Dot(a, UnitVector(QuantizeDirection(a))), 0.9999);
  EXPECT_EQ(QuantizeDirection(a), QuantizeDirection(b));
}

TEST(Direction, AVectorThatPointsNowhereIsZero) {
  for (const float value : {0.0f, NAN, INFINITY}) {
    EXPECT_THAT(UnitVector(std::vector<float>{1, value * 0, value}),
                value == 0 ? testing::ElementsAre(1, 0, 0) : testing::ElementsAre(0, 0, 0));
  }
  EXPECT_THAT(QuantizeDirection(std::vector<double>{0, 0}), Each('\0'));
}

}  // namespace
}  // namespace slotmatch
