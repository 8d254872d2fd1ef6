// How ServerApp stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;

class Drain : public ServerFixture {};

TEST_F(Drain, AnswersTheFramesInsideAndEndsWithUnavailable) {
  config_.mutable_shutdown()->set_go_away(false);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  fake_->Hold();
  const std::vector<Image> pictures = {MakePicture(8, 8, 1), MakePicture(8, 8, 2)};
  for (size_t i = 0; i < pictures.size(); ++i) stream.SendPicture(i, pictures[i]);
  ASSERT_TRUE(fake_->WaitUntilInside());
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == 2; }));
  std::thread drain([&] { app_->Drain(); });
  absl::SleepFor(absl::Milliseconds(200));  // past the drain deadline
  fake_->Release();
  const auto expected = ExpectedSlots(pictures);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value() && response->has_result()) << i;
    EXPECT_EQ(SlotsOf(response->result()), expected[i]);
  }
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("shut down"));
  drain.join();
  EXPECT_EQ(app_->metrics().sessions_active(), 0);
}

TEST_F(Drain, SessionsMayEndByThemselvesUntilTheDeadline) {
  config_.mutable_shutdown()->set_drain_deadline_ms(20000);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  const absl::Time start = absl::Now();
  std::thread drain([&] { app_->Drain(); });
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_draining") == 1; }));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream.SendPicture(i, MakePicture(8, 8, i)));
    ASSERT_TRUE(stream.Read().has_value());
  }
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
  drain.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10)) << "an empty server need not wait";
}

TEST_F(Drain, NewSessionsAreRefused) {
  config_.mutable_shutdown()->set_drain_deadline_ms(20000);
  StartApp();
  TestStream open(channel_);
  open.Open();
  std::thread drain([&] { app_->Drain(); });
  grpc::Status status;
  EXPECT_TRUE(Eventually([&] {
    TestStream late(channel_);
    late.SendConfig();
    late.SendDone();  // one that still got in ends at once, and the next one tries
    status = late.Finish();
    return !status.ok() && status.error_code() != StatusCode::CANCELLED;
  }));
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("shutting down"));
  open.SendDone();
  drain.join();
}

TEST_F(Drain, IsOverAtOnceWithoutSessionsAndMayBeRepeated) {
  config_.mutable_shutdown()->set_drain_deadline_ms(20000);
  StartApp();
  const absl::Time start = absl::Now();
  app_->Drain();
  app_->Drain();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(Drain, ClientThatNeverReadsDoesNotHoldItUp) {
  StartApp();
  TestStream stream(channel_);
  v1::SessionConfig config;
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_RAW_U8);
  stream.Open(config);
  const std::string png = PngBytes(MakePlainPicture(900, 900, 1, 2, 3));  // small, its mask is not
  std::thread sender([&] {
    for (int i = 0; stream.SendBytes(i, png); ++i) {
    }
  });
  EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_frames_processed_total") >= 4; }));
  const absl::Time start = absl::Now();
  app_->Drain();
  EXPECT_LT(absl::Now() - start, absl::Seconds(15));
  sender.join();
}

}  // namespace
}  // namespace slotmatch
