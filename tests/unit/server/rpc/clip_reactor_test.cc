// SegmentFrame and SegmentClip over a real socket.
#include "server/rpc/clip_reactor.h"

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

class ClipReactorTest : public ServerFixture {
 protected:
  void Connect() {
    StartApp();
    stub_ = v1::SlotMatchService::NewStub(channel_);
  }
  static Image Picture(uint64_t id) { return MakePicture(12, 10, static_cast<uint32_t>(id)); }
  static v1::Frame FrameOf(uint64_t id) {
    v1::Frame frame;
    frame.set_frame_id(id);
    frame.set_encoded(PngBytes(Picture(id)));
    return frame;
  }
  static v1::SegmentClipRequest ClipOf(const std::vector<uint64_t>& ids) {
    v1::SegmentClipRequest request;
    for (const uint64_t id : ids) *request.add_frames() = FrameOf(id);
    return request;
  }
  grpc::Status Call(const v1::SegmentFrameRequest& request, v1::SegmentFrameResponse* response) {
    grpc::ClientContext context;
    return stub_->SegmentFrame(&context, request, response);
  }
  grpc::Status Call(const v1::SegmentClipRequest& request, v1::SegmentClipResponse* response) {
    grpc::ClientContext context;
    return stub_->SegmentClip(&context, request, response);
  }
  void ExpectRefused(const v1::SegmentClipRequest& request, StatusCode code,
                     const std::string& text) {
    v1::SegmentClipResponse response;
    const grpc::Status status = Call(request, &response);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }

  std::unique_ptr<v1::SlotMatchService::Stub> stub_;
};

TEST_F(ClipReactorTest, FrameAloneIsTheFirstOfASession) {
  Connect();
  v1::SegmentFrameRequest request;
  *request.mutable_frame() = FrameOf(7);
  request.mutable_mask()->set_encoding(v1::MASK_ENCODING_RAW_U8);
  v1::SegmentFrameResponse response;
  ASSERT_TRUE(Call(request, &response).ok());
  EXPECT_EQ(response.result().frame_id(), 7u);
  EXPECT_EQ(response.result().mask().data().size(), 120u);
  EXPECT_EQ(SlotsOf(response.result()), ExpectedSlots({Picture(7)})[0]);
  EXPECT_FALSE(response.has_state());
  EXPECT_TRUE(Eventually([&] {  // counted when the call is freed, after its answer
    return Metric("grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"SegmentFrame\"") == 1;
  }));
}

TEST_F(ClipReactorTest, FramesWithStateAreASessionWithoutAStream) {
  Connect();
  v1::SegmentFrameResponse response;
  const std::vector<Image> pictures = {Picture(1), Picture(2), Picture(3)};
  const auto expected = ExpectedSlots(pictures);
  for (uint64_t id = 1; id <= 3; ++id) {
    v1::SegmentFrameRequest request;
    *request.mutable_frame() = FrameOf(id);
    request.set_want_state(true);
    if (response.has_state()) *request.mutable_state() = response.state();
    ASSERT_TRUE(Call(request, &response).ok());
    EXPECT_EQ(SlotsOf(response.result()), expected[id - 1]) << id;
    EXPECT_EQ(response.state().last_frame_id(), id);
  }
}

TEST_F(ClipReactorTest, BadFrameIsTheStatusOfTheCall) {
  Connect();
  v1::SegmentFrameRequest request;
  v1::SegmentFrameResponse response;
  const grpc::Status empty = Call(request, &response);
  EXPECT_EQ(empty.error_code(), StatusCode::INVALID_ARGUMENT);
  request.mutable_frame()->set_encoded("no picture");
  EXPECT_EQ(Call(request, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Metric("slotmatch_frames_failed_total{reason=\"decode_error\"}"), 2);
}

TEST_F(ClipReactorTest, ClipEqualsAStream) {
  config_.mutable_limits()->set_max_queued_frames(2);
  Connect();
  const std::vector<uint64_t> ids = {1, 2, 3, 5, 6, 7, 8, 9};
  v1::SegmentClipRequest request = ClipOf(ids);
  request.mutable_frames(2)->set_encoded("no picture");
  request.set_want_state(true);
  v1::SegmentClipResponse response;
  ASSERT_TRUE(Call(request, &response).ok());
  ASSERT_EQ(response.answers_size(), 8);
  EXPECT_EQ(response.answers(2).error().frame_id(), 3u);
  EXPECT_EQ(response.answers(2).error().code(), StatusCode::INVALID_ARGUMENT);
  TestStream stream(channel_);
  stream.Open();
  for (int i = 0; i < request.frames_size(); ++i) {
    v1::SegmentRequest message;
    *message.mutable_frame() = request.frames(i);
    stream.Send(message);
    const auto answer = stream.Read();
    ASSERT_TRUE(answer.has_value());
    if (!answer->has_result()) continue;
    EXPECT_EQ(SlotsOf(response.answers(i).result()), SlotsOf(answer->result())) << i;
    EXPECT_EQ(response.answers(i).result().mask().data(), answer->result().mask().data());
  }
  stream.SendSnapshot();
  EXPECT_EQ(stream.Read()->state().payload(), response.state().payload());
}

TEST_F(ClipReactorTest, GapPolicyIsKept) {
  Connect();
  v1::SegmentClipRequest request = ClipOf({1, 9});
  request.set_gap_policy(v1::GAP_POLICY_HOLD);
  v1::SegmentClipResponse response;
  ASSERT_TRUE(Call(request, &response).ok());
  EXPECT_EQ(SlotsOf(response.answers(1).result()), ExpectedSlots({Picture(1), Picture(9)})[1]);
}

TEST_F(ClipReactorTest, ClipsAreBoundedAndOrdered) {
  config_.mutable_limits()->set_max_clip_frames(3);
  Connect();
  ExpectRefused(ClipOf({}), StatusCode::INVALID_ARGUMENT, "a clip of 0 frames");
  ExpectRefused(ClipOf({1, 2, 3, 4}), StatusCode::INVALID_ARGUMENT, "takes 1 to 3");
  ExpectRefused(ClipOf({1, 3, 3}), StatusCode::OUT_OF_RANGE, "frame_id 3 after 3");
  v1::SegmentClipRequest unknown = ClipOf({1});
  unknown.set_model("nobody");
  ExpectRefused(unknown, StatusCode::NOT_FOUND, "nobody");
  v1::SegmentClipRequest damaged = ClipOf({1});
  damaged.mutable_state()->set_payload("x");
  ExpectRefused(damaged, StatusCode::DATA_LOSS, "damaged");
  EXPECT_EQ(fake_->num_frames(), 0);
}

TEST_F(ClipReactorTest, CallTakesASessionsPlace) {
  config_.mutable_limits()->set_max_sessions(1);
  Connect();
  {
    TestStream stream(channel_);
    stream.Open();
    ExpectRefused(ClipOf({1}), StatusCode::RESOURCE_EXHAUSTED, "all 1 sessions");
  }
  v1::SegmentClipResponse response;
  EXPECT_TRUE(Eventually([&] { return Call(ClipOf({1}), &response).ok(); }));
}

TEST_F(ClipReactorTest, DeadlineAndCancelStopAClip) {
  Connect();
  fake_->Hold();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(300)));
  v1::SegmentClipResponse response;
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < 20; ++id) ids.push_back(id);
  EXPECT_EQ(stub_->SegmentClip(&context, ClipOf(ids), &response).error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  absl::SleepFor(absl::Milliseconds(500));  // the server's clock began later
  fake_->Release();
  TestStream next(channel_);
  next.Open();
  next.SendPicture(1, Picture(1));
  EXPECT_TRUE(next.Read().has_value());
  EXPECT_EQ(fake_->num_frames(), 2) << "frames of a call that is gone were computed";
}

TEST_F(ClipReactorTest, DrainDeadlineEndsACall) {
  config_.mutable_shutdown()->set_drain_deadline_ms(0);
  Connect();
  fake_->Hold();
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < 60; ++id) ids.push_back(id);
  std::thread drain([&] {
    EXPECT_TRUE(fake_->WaitUntilInside());
    app_->Drain();
  });
  std::thread release([&] {
    EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_draining") == 1; }));
    absl::SleepFor(absl::Milliseconds(200));
    fake_->Release();
  });
  ExpectRefused(ClipOf(ids), StatusCode::UNAVAILABLE, "shut down");
  release.join();
  drain.join();
}

}  // namespace
}  // namespace slotmatch
