// The Segment RPC over a real socket: how sessions end that their client did not end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class SegmentStreamEnd : public ServerFixture {
 protected:
  static Image Picture(uint64_t id) { return MakePicture(8, 8, static_cast<uint32_t>(id)); }

  static void Answer(TestStream* stream, uint64_t id) {
    ASSERT_TRUE(stream->SendPicture(id, Picture(id)));
    const auto response = stream->Read();
    ASSERT_TRUE(response.has_value() && response->has_result()) << id;
  }

  // The next message must be a GoAway with the state after `id`; that state.
  static v1::SessionState ExpectGoAway(TestStream* stream, v1::GoAway::Reason reason, uint64_t id) {
    const auto response = stream->Read();
    EXPECT_TRUE(response.has_value() && response->has_go_away());
    if (!response.has_value()) return {};
    EXPECT_EQ(response->go_away().reason(), reason);
    EXPECT_FALSE(response->go_away().message().empty());
    EXPECT_EQ(response->go_away().state().last_frame_id(), id);
    return response->go_away().state();
  }

  static void ExpectEnd(TestStream* stream, StatusCode code, const std::string& text) {
    EXPECT_FALSE(stream->Read().has_value());
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }

  // Frame 2 of a session that went on with `state` after frame 1.
  void ExpectGoesOn(const v1::SessionState& state, const std::shared_ptr<grpc::Channel>& channel) {
    v1::SessionConfig config;
    *config.mutable_resume() = state;
    TestStream stream(channel);
    EXPECT_TRUE(stream.Open(config).resumed());
    stream.SendPicture(2, Picture(2));
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result());
    EXPECT_EQ(SlotsOf(response->result()), ExpectedSlots({Picture(1), Picture(2)})[1]);
  }
};

TEST_F(SegmentStreamEnd, IdleSessionIsWarnedThenEndsWithItsState) {
  config_.mutable_limits()->set_session_idle_timeout_s(4);  // sessions are looked at every second
  StartApp();
  TestStream stream(channel_);
  EXPECT_EQ(stream.Open().idle_timeout_ms(), 4000u);
  Answer(&stream, 1);
  const auto notice = stream.Read();
  ASSERT_TRUE(notice.has_value() && notice->has_notice());
  EXPECT_EQ(notice->notice().kind(), v1::Notice::IDLE_SOON);
  EXPECT_GT(notice->notice().ends_in_ms(), 0u);
  EXPECT_LE(notice->notice().ends_in_ms(), 2000u);
  const v1::SessionState state = ExpectGoAway(&stream, v1::GoAway::IDLE, 1);
  ExpectEnd(&stream, StatusCode::DEADLINE_EXCEEDED, "idle");
  ExpectGoesOn(state, channel_);
}

TEST_F(SegmentStreamEnd, IdleClockStandsStillWhileAFrameIsInside) {
  config_.mutable_limits()->set_session_idle_timeout_s(1);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  stream.SendPicture(1, Picture(1));
  ASSERT_TRUE(fake_->WaitUntilInside());
  absl::SleepFor(absl::Milliseconds(2500));
  fake_->Release();
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_result());
}

TEST_F(SegmentStreamEnd, PingKeepsASessionAlive) {
  config_.mutable_limits()->set_session_idle_timeout_s(2);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  for (uint64_t nonce = 1; nonce <= 10; ++nonce) {
    absl::SleepFor(absl::Milliseconds(300));
    ASSERT_TRUE(stream.SendPing(nonce));
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_pong());
  }
}

TEST_F(SegmentStreamEnd, SessionWithoutAConfigExpiresToo) {
  config_.mutable_limits()->set_session_idle_timeout_s(1);
  StartApp();
  TestStream stream(channel_);
  ExpectEnd(&stream, StatusCode::DEADLINE_EXCEEDED, "idle");
}

TEST_F(SegmentStreamEnd, MaxAgeMovesABusySession) {
  config_.mutable_limits()->set_session_max_age_s(1);
  StartApp();
  TestStream stream(channel_);
  const uint64_t max_age_ms = stream.Open().max_age_ms();
  EXPECT_LE(max_age_ms, 1000u);
  EXPECT_GE(max_age_ms, 900u) << "spread over a tenth";
  Answer(&stream, 1);
  const v1::SessionState state = ExpectGoAway(&stream, v1::GoAway::MAX_AGE, 1);
  ExpectEnd(&stream, StatusCode::ABORTED, "maximum age");
  ExpectGoesOn(state, channel_);
  EXPECT_TRUE(Eventually(
      [&] { return Metric("slotmatch_sessions_closed_total{reason=\"max_age\"}") == 1; }));
}

TEST_F(SegmentStreamEnd, MaxFramesMovesASession) {
  config_.mutable_limits()->set_max_session_frames(1);
  StartApp();
  TestStream stream(channel_);
  EXPECT_EQ(stream.Open().limits().max_session_frames(), 1u);
  Answer(&stream, 1);
  const v1::SessionState state = ExpectGoAway(&stream, v1::GoAway::MAX_FRAMES, 1);
  ExpectEnd(&stream, StatusCode::ABORTED, "1 frames");
  ExpectGoesOn(state, channel_);
  EXPECT_TRUE(Eventually(
      [&] { return Metric("slotmatch_sessions_closed_total{reason=\"max_frames\"}") >= 1; }));
}

TEST_F(SegmentStreamEnd, DrainTellsSessionsToMoveAndServesThemMeanwhile) {
  config_.mutable_shutdown()->set_drain_deadline_ms(20000);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  Answer(&stream, 1);
  std::thread drain([&] { app_->Drain(); });
  const v1::SessionState state = ExpectGoAway(&stream, v1::GoAway::DRAINING, 1);
  const TestServer second = StartServer(config_);
  ExpectGoesOn(state, second.channel);
  Answer(&stream, 2);
  stream.SendDone();
  const auto last = stream.Read();
  ASSERT_TRUE(last.has_value() && last->has_state());
  EXPECT_EQ(last->state().last_frame_id(), 2u);
  EXPECT_TRUE(stream.Finish().ok());
  drain.join();
}

TEST_F(SegmentStreamEnd, DrainDeadlineEndsSessionsThatStayedWithTheirLastState) {
  config_.mutable_shutdown()->set_drain_deadline_ms(300);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  std::thread drain([&] { app_->Drain(); });
  const auto early = stream.Read();
  ASSERT_TRUE(early.has_value() && early->has_go_away());
  EXPECT_FALSE(early->go_away().has_state()) << "nothing is answered yet";
  Answer(&stream, 1);
  ExpectGoAway(&stream, v1::GoAway::DRAINING, 1);
  ExpectEnd(&stream, StatusCode::UNAVAILABLE, "shut down");
  drain.join();
  EXPECT_EQ(Metric("slotmatch_sessions_closed_total{reason=\"draining\"}"), 1);
}

TEST_F(SegmentStreamEnd, GoAwayAtDrainCanBeTurnedOff) {
  config_.mutable_shutdown()->set_go_away(false);
  config_.mutable_shutdown()->set_drain_deadline_ms(100);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  Answer(&stream, 1);
  app_->Drain();
  ExpectGoAway(&stream, v1::GoAway::DRAINING, 1);
  ExpectEnd(&stream, StatusCode::UNAVAILABLE, "shut down");
}

TEST_F(SegmentStreamEnd, FramesTheDrainHasNoTimeForAreGivenUpSoThatTheStateStillLeaves) {
  config_.mutable_shutdown()->set_drain_deadline_ms(0);
  config_.mutable_shutdown()->set_go_away(false);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->SetDelay(absl::Milliseconds(2400));  // frames are given up after 2 s, streams cut at 3 s
  for (uint64_t id = 1; id <= 3; ++id) stream.SendPicture(id, Picture(id));
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == 3; }));
  std::thread drain([&] { app_->Drain(); });
  const auto first = stream.Read();
  EXPECT_TRUE(first.has_value() && first->has_result());
  for (uint64_t id = 2; id <= 3; ++id) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_dropped()) << id;
    EXPECT_EQ(response->dropped().frame_id(), id);
    EXPECT_EQ(response->dropped().reason(), v1::DROP_REASON_DRAINING);
  }
  ExpectGoAway(&stream, v1::GoAway::DRAINING, 3);
  ExpectEnd(&stream, StatusCode::UNAVAILABLE, "shut down");
  drain.join();
}

TEST_F(SegmentStreamEnd, PlaceIsFreeOnceTheClientHasSeenTheEnd) {
  config_.mutable_limits()->set_max_sessions(1);
  StartApp();
  for (int i = 0; i < 300; ++i) {
    TestStream stream(channel_);
    ASSERT_TRUE(stream.SendConfig());
    const auto opened = stream.Read();
    ASSERT_TRUE(opened.has_value()) << "stream " << i << ": " << stream.Finish().error_message();
    stream.SendDone();
    ASSERT_TRUE(stream.Finish().ok());
    ASSERT_EQ(Metric("slotmatch_sessions_active"), 0);
  }
}

TEST_F(SegmentStreamEnd, ClientThatNeverReadsIsCutOff) {
  const std::string png = PngBytes(MakePlainPicture(900, 900, 1, 2, 3));  // small, its mask is not
  config_.mutable_limits()->set_session_idle_timeout_s(2);
  StartApp();
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_RAW_U8);
  TestStream stream(channel_);
  stream.Open(config);
  std::thread sender([&] {
    for (int i = 0; stream.SendBytes(i, png); ++i) {
    }
  });
  sender.join();  // ends when the server cuts the stream
  EXPECT_FALSE(stream.Finish().ok());
  EXPECT_TRUE(Eventually(
      [&] { return Metric("slotmatch_sessions_closed_total{reason=\"not_reading\"}") == 1; }));
}

}  // namespace
}  // namespace slotmatch
