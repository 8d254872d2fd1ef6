// The Segment RPC as a client sees it: SegmentStreamReactor behind a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/image/mask_codec.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class SegmentStream : public ServerFixture {
 protected:
  // Ends a stream that was opened wrongly and checks its status.
  void ExpectEnd(TestStream* stream, StatusCode code, const std::string& text) {
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
};

TEST_F(SegmentStream, AnswersFramesInOrderWithTheStreamsState) {
  StartApp();
  TestStream stream(channel_);
  v1::SessionConfig config;
  config.set_gap_policy(v1::GAP_POLICY_HOLD);  // the ids below do not count frames
  const v1::SessionOpened opened = stream.Open(config);
  EXPECT_FALSE(opened.session_id().empty());
  EXPECT_EQ(opened.model().name(), "fake");
  EXPECT_EQ(opened.model().num_slots(), 3u);
  EXPECT_EQ(opened.limits().max_queued_frames(), 4u);
  std::vector<Image> pictures;
  for (uint32_t i = 0; i < 10; ++i) pictures.push_back(MakePicture(20 + i, 12, i));
  std::thread sender([&] {
    for (size_t i = 0; i < pictures.size(); ++i)
      EXPECT_TRUE(stream.SendPicture(5 + 2 * i, pictures[i]));
    stream.SendDone();
  });
  const auto expected = ExpectedSlots(pictures);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result()) << i;
    const v1::FrameResult& result = response->result();
    EXPECT_EQ(result.frame_id(), 5 + 2 * i);
    EXPECT_EQ(SlotsOf(result), expected[i]) << i;
    EXPECT_EQ(result.mask().encoding(), v1::MASK_ENCODING_INDEX_RLE);
    EXPECT_TRUE(DecodeIndexRle(result.mask().data(), 20 + static_cast<int>(i), 12).ok());
  }
  sender.join();
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStream, HalfCloseStillAnswersWhatWasSent) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  for (int i = 0; i < 3; ++i) stream.SendPicture(i, MakePicture(8, 8, i));
  stream.SendDone();
  ASSERT_TRUE(fake_->WaitUntilInside());
  fake_->Release();
  int results = 0;
  while (const auto response = stream.Read()) results += response->has_result();
  EXPECT_EQ(results, 3);
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SegmentStream, StreamsShareBatches) {
  StartApp();
  std::vector<std::unique_ptr<TestStream>> streams;
  for (int s = 0; s < 4; ++s) {
    streams.push_back(std::make_unique<TestStream>(channel_));
    streams.back()->Open();
  }
  fake_->Hold();
  for (auto& stream : streams) stream->SendPicture(1, MakePicture(8, 8));
  ASSERT_TRUE(fake_->WaitUntilInside());
  const auto waiting = [&] { return Metric("slotmatch_queue_depth{queue=\"batch\"}"); };
  EXPECT_TRUE(Eventually([&] { return waiting() + fake_->num_frames() == 4; }));
  fake_->Release();
  uint32_t largest = 0;
  for (auto& stream : streams) {
    const auto response = stream->Read();
    ASSERT_TRUE(response.has_value() && response->has_result());
    EXPECT_EQ(SlotsOf(response->result()), ExpectedSlots({MakePicture(8, 8)})[0]);
    largest = std::max(largest, response->result().timings().batch_size());
  }
  EXPECT_GT(largest, 1u);
  EXPECT_EQ(fake_->num_frames(), 4);
  EXPECT_EQ(Metric("slotmatch_sessions_active"), 4);
}

TEST_F(SegmentStream, SlowReaderDelaysOnlyItself) {
  StartApp();
  TestStream slow(channel_);
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_RAW_U8);
  slow.Open(config);
  std::atomic<int> sent{0};
  std::thread sender([&] {  // reads nothing: megabytes of masks pile up until it is held back
    for (int i = 0; i < 200 && slow.SendPicture(i, MakePlainPicture(900, 900, 1, 2, 3)); ++i)
      ++sent;
  });
  EXPECT_TRUE(Eventually([&] {
    const int before = sent;
    absl::SleepFor(absl::Milliseconds(100));
    return sent == before && sent > 0;
  }));
  EXPECT_LT(sent, 200) << "nothing held the sender back";
  TestStream quick(channel_);
  quick.Open();
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(quick.SendPicture(i, MakePicture(16, 16, i)));
    ASSERT_TRUE(quick.Read().has_value());
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  quick.SendDone();
  EXPECT_TRUE(quick.Finish().ok());
  slow.Cancel();
  sender.join();
}

TEST_F(SegmentStream, ReadingPausesAtMaxQueuedFrames) {
  config_.mutable_limits()->set_max_queued_frames(2);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  for (int i = 0; i < 6; ++i) stream.SendPicture(i, MakePicture(8, 8, i));
  ASSERT_TRUE(fake_->WaitUntilInside());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(Metric("slotmatch_frames_received_total"), 2);
  fake_->Release();
  stream.SendDone();
  int results = 0;
  while (const auto response = stream.Read()) results += response->has_result();
  EXPECT_EQ(results, 6);
}

TEST_F(SegmentStream, CancelInTheMiddleLeavesNothingBehind) {
  StartApp();
  {
    TestStream stream(channel_);
    stream.Open();
    fake_->Hold();
    for (int i = 0; i < 4; ++i) stream.SendPicture(i, MakePicture(8, 8, i));
    ASSERT_TRUE(fake_->WaitUntilInside());
    stream.Cancel();
    ExpectEnd(&stream, StatusCode::CANCELLED, "");
  }
  EXPECT_TRUE(Eventually([&] { return app_->metrics().sessions_active() == 0; }));
  EXPECT_EQ(Metric("slotmatch_sessions_closed_total{reason=\"client_cancelled\"}"), 1);
  fake_->Release();
  TestStream next(channel_);
  next.Open();
  next.SendPicture(1, MakePicture(8, 8));
  EXPECT_TRUE(next.Read().has_value());
  EXPECT_EQ(fake_->num_frames(), 2) << "cancelled frames were computed";
}

TEST_F(SegmentStream, DeadlineOfTheClientEndsTheStream) {
  StartApp();
  TestStream stream(channel_, absl::Seconds(1));
  stream.Open();
  fake_->Hold();
  stream.SendPicture(1, MakePicture(8, 8));
  ExpectEnd(&stream, StatusCode::DEADLINE_EXCEEDED, "");
  EXPECT_TRUE(Eventually([&] { return app_->metrics().sessions_active() == 0; }));
}

TEST_F(SegmentStream, FrameIdsMustIncrease) {
  StartApp();
  for (const uint64_t second : {7, 6}) {
    TestStream stream(channel_);
    stream.Open();
    stream.SendPicture(7, MakePicture(8, 8));
    const auto first = stream.Read();
    ASSERT_TRUE(first.has_value() && first->has_result());
    stream.SendPicture(second, MakePicture(8, 8));
    ExpectEnd(&stream, StatusCode::OUT_OF_RANGE, absl::StrCat("frame_id ", second, " after 7"));
  }
}

TEST_F(SegmentStream, FirstMessageMustBeTheConfig) {
  StartApp();
  TestStream stream(channel_);
  stream.SendPicture(1, MakePicture(8, 8));
  ExpectEnd(&stream, StatusCode::INVALID_ARGUMENT, "SessionConfig");
  TestStream empty(channel_);
  empty.Send({});
  ExpectEnd(&empty, StatusCode::INVALID_ARGUMENT, "neither config, frame nor control");
  EXPECT_EQ(Metric("slotmatch_sessions_opened_total"), 0);
}

TEST_F(SegmentStream, SecondConfigEndsTheStreamAfterItsFrames) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  stream.SendPicture(1, MakePicture(8, 8));
  stream.SendConfig();
  ASSERT_TRUE(fake_->WaitUntilInside());
  fake_->Release();
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value()) << "the frame before the mistake has its answer";
  EXPECT_TRUE(response->has_result());
  ExpectEnd(&stream, StatusCode::INVALID_ARGUMENT, "one SessionConfig");
}

TEST_F(SegmentStream, UnknownModelIsNotFoundAndNamesTheOnesThereAre) {
  StartApp();
  v1::SessionConfig config;
  config.set_model("nobody");
  TestStream stream(channel_);
  stream.SendConfig(config);
  ExpectEnd(&stream, StatusCode::NOT_FOUND, "'nobody' is not loaded; this server has fake");
  config.set_model("fake");
  TestStream good(channel_);
  EXPECT_EQ(good.Open(config).model().name(), "fake");
}

TEST_F(SegmentStream, UnknownEncodingIsUnimplemented) {
  StartApp();
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(static_cast<v1::MaskEncoding>(77));
  TestStream stream(channel_);
  stream.SendConfig(config);
  ExpectEnd(&stream, StatusCode::UNIMPLEMENTED, "77");
}

TEST_F(SegmentStream, BadPicturesAreFrameErrorsAndTheSessionGoesOn) {
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  const Image good = MakePicture(16, 16);
  const std::string jpeg = JpegBytes(good);
  stream.SendBytes(1, "this is no picture");
  stream.SendBytes(2, "");
  stream.SendBytes(3, PngHeaderBytes(40000, 40000));
  stream.SendBytes(4, jpeg.substr(0, jpeg.size() / 2));
  const std::pair<int, const char*> expected[] = {
      {StatusCode::INVALID_ARGUMENT, "neither a JPEG nor a PNG"},
      {StatusCode::INVALID_ARGUMENT, "0 bytes"},
      {StatusCode::INVALID_ARGUMENT, "40000x40000"},
      {StatusCode::DATA_LOSS, "cut short"}};
  uint64_t id = 1;
  for (const auto& [code, text] : expected) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_error());
    EXPECT_EQ(response->error().frame_id(), id++);
    EXPECT_EQ(response->error().code(), code);
    EXPECT_THAT(response->error().message(), HasSubstr(text));
  }
  stream.SendBytes(9, PngBytes(good));
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_result());
  EXPECT_EQ(SlotsOf(response->result()), ExpectedSlots({good})[0]);
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(Metric("slotmatch_frames_failed_total{reason=\"decode_error\"}"), 4);
}

TEST_F(SegmentStream, TooLargeMessageEndsTheStreamOnly) {
  config_.mutable_limits()->set_max_message_bytes(4096);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  stream.SendBytes(1, std::string(10000, 'x'));
  EXPECT_FALSE(stream.Finish().ok());
  TestStream next(channel_);
  next.Open();
}

TEST_F(SegmentStream, SessionsBeyondTheLimitAreRefusedUntilOneEnds) {
  config_.mutable_limits()->set_max_sessions(2);
  StartApp();
  TestStream first(channel_);
  first.Open();
  {
    TestStream second(channel_);
    second.Open();
    TestStream third(channel_);
    third.SendConfig();
    const grpc::Status refused = third.Finish();
    EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(refused.error_message(), HasSubstr("all 2 sessions"));
    EXPECT_THAT(refused.error_details(), HasSubstr("google.rpc.RetryInfo"));
  }
  EXPECT_TRUE(Eventually([&] { return app_->metrics().sessions_active() == 1; }));
  EXPECT_TRUE(Eventually([&] {  // the place is given back right after the count
    TestStream again(channel_);
    again.SendConfig();
    return again.Read().has_value();
  }));
}

TEST_F(SegmentStream, SessionIdsDiffer) {
  StartApp();
  TestStream a(channel_), b(channel_);
  EXPECT_NE(a.Open().session_id(), b.Open().session_id());
}

TEST_F(SegmentStream, IdleSessionExpiresAndABusyOneDoesNot) {
  config_.mutable_limits()->set_session_idle_timeout_s(2);
  StartApp();
  TestStream idle(channel_), busy(channel_);
  idle.Open();
  busy.Open();
  std::atomic<bool> expired{false};
  std::thread reader([&] {
    ExpectEnd(&idle, StatusCode::DEADLINE_EXCEEDED, "idle");
    expired = true;
  });
  uint64_t id = 0;
  while (!expired) {
    ASSERT_TRUE(busy.SendPicture(++id, MakePicture(8, 8)));
    ASSERT_TRUE(busy.Read().has_value());
    absl::SleepFor(absl::Milliseconds(100));
  }
  reader.join();
  EXPECT_TRUE(
      Eventually([&] { return Metric("slotmatch_sessions_closed_total{reason=\"idle\"}") == 1; }));
  EXPECT_TRUE(busy.SendPicture(++id, MakePicture(8, 8)));
  EXPECT_TRUE(busy.Read().has_value());
}

TEST_F(SegmentStream, MaskAndSlotOptionsAreKept) {
  StartApp();
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_PNG);
  config.mutable_mask()->set_size(v1::MASK_SIZE_GRID);
  config.mutable_slots()->set_encoding(v1::SLOT_ENCODING_F16);
  TestStream stream(channel_);
  stream.Open(config);
  stream.SendPicture(1, MakePicture(16, 12));
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value() && response->has_result());
  const v1::FrameResult& result = response->result();
  EXPECT_EQ(result.source_width(), 16u);
  EXPECT_EQ(result.source_height(), 12u);
  EXPECT_EQ(result.mask().width(), 4u);
  const auto map = DecodePalettePng(result.mask().data());
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->labels.size(), 16u);
  ASSERT_EQ(result.slots_size(), 3);
  EXPECT_EQ(result.slots(0).vector().size(), 8u);  // four halves
  double area = 0;
  for (const v1::Slot& slot : result.slots()) area += slot.area_ratio();
  EXPECT_NEAR(area, 1, 1e-9);
}

}  // namespace
}  // namespace slotmatch
