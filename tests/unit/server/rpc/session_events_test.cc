#include "server/rpc/session_events.h"

#include <gtest/gtest.h>

#include <random>

namespace slotmatch {
namespace {

ModelInfo Model() {
  ModelInfo model;
  model.digest = "d";
  model.num_slots = 1;
  model.slot_dim = 1;
  return model;
}

SessionPoint Point() {
  SessionPoint point;
  point.state = {{0.5f}, 3};
  point.last_frame_id = point.state_frame_id = 8;
  return point;
}

TEST(SessionEvents, CarryWhatTheySay) {
  const v1::SegmentResponse notice =
      NoticeOf(v1::Notice::IDLE_SOON, "hurry", absl::Milliseconds(70));
  EXPECT_EQ(notice.notice().kind(), v1::Notice::IDLE_SOON);
  EXPECT_EQ(notice.notice().message(), "hurry");
  EXPECT_EQ(notice.notice().ends_in_ms(), 70u);
  EXPECT_EQ(GoAwayOf(v1::GoAway::MAX_AGE, "go").go_away().reason(), v1::GoAway::MAX_AGE);
  EXPECT_EQ(PongOf(9).pong().nonce(), 9u);
}

TEST(SealInto, MakesAStateThatCanBeOpened) {
  const StateSealer sealer;
  v1::SegmentResponse response;
  EXPECT_TRUE(SealInto(sealer, Model(), Point(), &response));
  ASSERT_TRUE(response.has_state());
  EXPECT_EQ(response.state().last_frame_id(), 8u);
  const auto opened = sealer.Open(FromWire(response.state()), {Model()}, std::nullopt);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->point.state.slots, Point().state.slots);
}

TEST(SealInto, KeepsTheGoAwayAroundTheState) {
  v1::SegmentResponse response = GoAwayOf(v1::GoAway::IDLE, "go");
  EXPECT_TRUE(SealInto(StateSealer(), Model(), Point(), &response));
  EXPECT_EQ(response.go_away().message(), "go");
  EXPECT_EQ(response.go_away().state().last_frame_id(), 8u);
}

TEST(SealInto, SaysSoWhenTheStateIsTooLarge) {
  SessionPoint point = Point();
  std::mt19937 random(5);  // does not compress
  while (point.track.size() < kMaxSealedBytes) point.track.push_back(static_cast<char>(random()));
  v1::SegmentResponse state, go_away = GoAwayOf(v1::GoAway::IDLE, "go");
  EXPECT_FALSE(SealInto(StateSealer(), Model(), point, &state));
  EXPECT_EQ(state.notice().kind(), v1::Notice::STATE_UNAVAILABLE);
  EXPECT_FALSE(SealInto(StateSealer(), Model(), point, &go_away));
  EXPECT_FALSE(go_away.go_away().has_state());
}

}  // namespace
}  // namespace slotmatch
