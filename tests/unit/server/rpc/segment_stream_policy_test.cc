// The Segment RPC over a real socket: frames that come faster than they are computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class SegmentStreamPolicy : public ServerFixture {
 protected:
  SegmentStreamPolicy() { config_.mutable_limits()->set_max_queued_frames(2); }

  static Image Picture(uint64_t id) { return MakePicture(8, 8, static_cast<uint32_t>(id)); }

  // Holds frame 0 in the model, sends 1 to 5, lets go and half-closes: the answers as letters,
  // r for a result and the reason's number for a dropped frame.
  std::string AnswersWith(v1::FramePolicy policy) {
    v1::SessionConfig config;
    config.set_frame_policy(policy);
    TestStream stream(channel_);
    stream.Open(config);
    fake_->Hold();
    stream.SendPicture(0, Picture(0));
    EXPECT_TRUE(fake_->WaitUntilInside());
    const double before = Metric("slotmatch_frames_received_total");
    for (uint64_t id = 1; id <= 5; ++id) stream.SendPicture(id, Picture(id));
    EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") >= before + 5; }))
        << "a stream that drops frames is always read";
    fake_->Release();
    stream.SendDone();
    std::string letters;
    uint64_t next = 0;
    while (const auto response = stream.Read()) {
      EXPECT_EQ(response->credits(), 1u);
      const bool result = response->has_result();
      EXPECT_TRUE(result || response->has_dropped());
      EXPECT_EQ(result ? response->result().frame_id() : response->dropped().frame_id(), next++);
      absl::StrAppend(&letters, result ? "r" : absl::StrCat(response->dropped().reason()));
    }
    EXPECT_TRUE(stream.Finish().ok());
    return letters;
  }

  double Dropped(const std::string& reason) const {
    return Metric(absl::StrCat("slotmatch_frames_dropped_total{reason=\"", reason, "\"}"));
  }
};

TEST_F(SegmentStreamPolicy, DropOldest) {
  StartApp();
  EXPECT_EQ(AnswersWith(v1::FRAME_POLICY_DROP_OLDEST), "r111rr");
  EXPECT_EQ(Dropped("queue_full"), 3);
}

TEST_F(SegmentStreamPolicy, DropNewest) {
  StartApp();
  EXPECT_EQ(AnswersWith(v1::FRAME_POLICY_DROP_NEWEST), "rrr111");
  EXPECT_EQ(Dropped("queue_full"), 3);
}

TEST_F(SegmentStreamPolicy, LatestOnly) {
  StartApp();
  EXPECT_EQ(AnswersWith(v1::FRAME_POLICY_LATEST_ONLY), "r2222r");
  EXPECT_EQ(Dropped("superseded"), 4);
}

TEST_F(SegmentStreamPolicy, FramesAboveTheRateAreDroppedWhereFramesMayBe) {
  config_.mutable_limits()->set_max_frames_per_s(2);
  config_.mutable_limits()->set_max_queued_frames(8);
  StartApp();
  EXPECT_EQ(AnswersWith(v1::FRAME_POLICY_DROP_OLDEST), "rr6666");
  EXPECT_EQ(Dropped("rate"), 4);
}

TEST_F(SegmentStreamPolicy, SessionsThatDropNothingAreReadAtTheRate) {
  config_.mutable_limits()->set_max_frames_per_s(5);
  config_.mutable_limits()->set_max_queued_frames(32);
  StartApp();
  TestStream stream(channel_);
  EXPECT_EQ(stream.Open().limits().max_frames_per_s(), 5);
  const absl::Time start = absl::Now();
  for (uint64_t id = 1; id <= 10; ++id) stream.SendPicture(id, Picture(id));
  stream.SendDone();
  for (uint64_t id = 1; id <= 10; ++id) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result()) << id;
    EXPECT_EQ(response->result().frame_id(), id);
  }
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(900)) << "five at once, five a second later";
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStreamPolicy, ClientThatDropsAndNeverReadsIsHeldBackToo) {
  config_.mutable_limits()->set_max_message_bytes(1 << 20);
  StartApp();
  v1::SessionConfig config;
  config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
  TestStream stream(channel_);
  stream.Open(config);
  fake_->Hold();
  std::atomic<int> sent{0};
  const Image picture = MakePlainPicture(100, 100, 1, 2, 3);
  std::thread sender([&] {
    for (int i = 0; i < 100000 && stream.SendPicture(i, picture); ++i) ++sent;
  });
  EXPECT_TRUE(Eventually([&] {
    const int before = sent;
    absl::SleepFor(absl::Milliseconds(200));
    return sent == before && sent > 0;
  }));
  EXPECT_LT(sent, 100000) << "nothing held the sender back";
  // 1024 answers wait in the server; what the transport took of them came on top.
  EXPECT_LE(Metric("slotmatch_frames_received_total"), 20000);
  stream.Cancel();
  fake_->Release();
  sender.join();
}

TEST_F(SegmentStreamPolicy, CreditsAreAWindowThatAnswersRefill) {
  StartApp();
  v1::SessionConfig config;
  config.set_enforce_credits(true);
  TestStream stream(channel_);
  uint32_t credits = stream.Open(config).credits();
  EXPECT_EQ(credits, 2u);
  uint64_t id = 0;
  for (int answers = 0; answers < 20; ++answers) {
    for (; credits > 0; --credits) ASSERT_TRUE(stream.SendPicture(id++, Picture(0)));
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result()) << answers;
    credits += response->credits();
  }
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStreamPolicy, FramesBeyondEnforcedCreditsEndTheStream) {
  StartApp();
  v1::SessionConfig config;
  config.set_enforce_credits(true);
  TestStream stream(channel_);
  stream.Open(config);
  fake_->Hold();
  for (uint64_t id = 1; id <= 3; ++id) stream.SendPicture(id, Picture(id));
  ASSERT_TRUE(fake_->WaitUntilInside());
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == 3; }));
  fake_->Release();
  for (uint64_t id = 1; id <= 2; ++id) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result())
        << "frames with credit are answered";
    EXPECT_EQ(response->result().frame_id(), id);
  }
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("frame_id 3 was sent without credit"));
}

TEST_F(SegmentStreamPolicy, FramesOlderThanTheirBudgetAreDropped) {
  StartApp();
  v1::SessionConfig config;
  config.set_frame_deadline_ms(30);
  TestStream stream(channel_);
  stream.Open(config);
  fake_->Hold();
  for (uint64_t id = 1; id <= 2; ++id) stream.SendPicture(id, Picture(id));
  ASSERT_TRUE(fake_->WaitUntilInside());
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == 2; }));
  absl::SleepFor(absl::Milliseconds(60));
  fake_->Release();
  EXPECT_TRUE(stream.Read()->has_result()) << "it was being computed";
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_dropped());
  EXPECT_EQ(response->dropped().frame_id(), 2u);
  EXPECT_EQ(response->dropped().reason(), v1::DROP_REASON_DEADLINE);
  EXPECT_EQ(Dropped("deadline"), 1);
  EXPECT_EQ(fake_->num_frames(), 1);
}

TEST_F(SegmentStreamPolicy, GapsArePredictedOrHeldAsAsked) {
  config_.mutable_limits()->set_max_gap_steps(2);
  StartApp();
  const auto slots_after_gap = [&](v1::GapPolicy policy, uint64_t second) {
    v1::SessionConfig config;
    config.set_gap_policy(policy);
    TestStream stream(channel_);
    stream.Open(config);
    stream.SendPicture(1, Picture(1));
    stream.Read();
    stream.SendPicture(second, Picture(2));
    return SlotsOf(stream.Read()->result());
  };
  const std::vector<float> unbroken = ExpectedSlots({Picture(1), Picture(2)})[1];
  EXPECT_EQ(slots_after_gap(v1::GAP_POLICY_PREDICT, 2), unbroken);
  EXPECT_EQ(slots_after_gap(v1::GAP_POLICY_HOLD, 9), unbroken);
  const std::vector<float> one = slots_after_gap(v1::GAP_POLICY_UNSPECIFIED, 3);
  const std::vector<float> two = slots_after_gap(v1::GAP_POLICY_PREDICT, 4);
  EXPECT_NE(one, unbroken);
  EXPECT_NE(two, one);
  EXPECT_EQ(slots_after_gap(v1::GAP_POLICY_PREDICT, 1000), two) << "two steps are the limit";
}

TEST_F(SegmentStreamPolicy, PingIsAnsweredWhileTheModelIsBusy) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  stream.SendPicture(1, Picture(1));
  ASSERT_TRUE(fake_->WaitUntilInside());
  stream.SendPing(77);
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_pong());
  EXPECT_EQ(response->pong().nonce(), 77u);
  EXPECT_EQ(response->credits(), 0u);
  fake_->Release();
}

TEST_F(SegmentStreamPolicy, ControlNeedsASessionAndSomethingToDo) {
  StartApp();
  TestStream early(channel_), empty(channel_);
  early.SendPing(1);
  EXPECT_EQ(early.Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  empty.Open();
  v1::SegmentRequest request;
  request.mutable_control();
  empty.Send(request);
  EXPECT_EQ(empty.Finish().error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(SegmentStreamPolicy, UnknownPoliciesAreUnimplemented) {
  StartApp();
  v1::SessionConfig frame, gap;
  frame.set_frame_policy(static_cast<v1::FramePolicy>(91));
  gap.set_gap_policy(static_cast<v1::GapPolicy>(92));
  for (const auto& [config, text] : {std::pair(frame, "91"), std::pair(gap, "92")}) {
    TestStream stream(channel_);
    stream.SendConfig(config);
    const grpc::Status status = stream.Finish();
    EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace slotmatch
