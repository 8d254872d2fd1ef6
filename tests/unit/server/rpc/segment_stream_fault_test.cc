// Clients that go away without a word, in every state of their stream.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "tests/support/pictures.h"
#include "tests/support/relay.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

struct CancelState {
  const char* what;
  std::function<void(TestStream*)> reach;
};

class SegmentStreamFault : public ServerFixture {
 protected:
  double Cancelled() const {
    return Metric("slotmatch_sessions_closed_total{reason=\"client_cancelled\"}");
  }
  static void Send(TestStream* stream, int count) {
    for (int id = 1; id <= count; ++id) stream->SendPicture(id, MakePicture(8, 8));
  }
  std::vector<CancelState> CancelStates();
  // A frame through a stream of its own.
  void ExpectServed() {
    TestStream stream(channel_);
    ASSERT_TRUE(stream.SendConfig());
    stream.SendPicture(1, MakePicture(8, 8));
    stream.SendDone();
    int results = 0;
    while (const auto response = stream.Read()) results += response->has_result();
    EXPECT_EQ(results, 1);
  }
};

// A client that is frozen, or whose network swallows everything, holds its connection open as far
// as TCP can tell. More signs of life than gRPC asks for by itself go by before that.
TEST_F(SegmentStreamFault, HalfOpenConnectionIsNoticedAfterAnyIdleTime) {
  config_.mutable_listen()->set_keepalive_time_s(1);
  config_.mutable_listen()->set_keepalive_timeout_s(1);
  StartApp();
  Relay relay(app_->grpc_port());
  TestStream stream(grpc::CreateChannel(relay.address(), grpc::InsecureChannelCredentials()));
  stream.Open();
  absl::SleepFor(absl::Milliseconds(4500));
  EXPECT_EQ(Metric("slotmatch_sessions_active"), 1) << "a living one was closed";
  relay.Freeze();
  EXPECT_TRUE(Eventually([&] { return Cancelled() == 1; }));
  EXPECT_EQ(Metric("slotmatch_sessions_active"), 0);
  ExpectServed();
  stream.Cancel();
}

std::vector<CancelState> SegmentStreamFault::CancelStates() {
  return {{"nothing sent", [](TestStream*) {}},
          {"opened", [](TestStream* stream) { stream->Open(); }},
          {"frame in the model",
           [this](TestStream* stream) {
             fake_->Hold();
             stream->Open();
             Send(stream, 1);
             ASSERT_TRUE(fake_->WaitUntilInside());
           }},
          {"more sent than is read",
           [this](TestStream* stream) {
             fake_->Hold();
             stream->Open();
             Send(stream, 6);
             ASSERT_TRUE(fake_->WaitUntilInside());
           }},
          {"half-closed with frames inside",
           [this](TestStream* stream) {
             fake_->Hold();
             stream->Open();
             Send(stream, 2);
             stream->SendDone();
             ASSERT_TRUE(fake_->WaitUntilInside());
           }},
          {"answers not read",
           [this](TestStream* stream) {
             v1::SessionConfig config;
             config.mutable_mask()->set_encoding(v1::MASK_ENCODING_RAW_U8);
             stream->Open(config);
             const double before = Metric("slotmatch_frames_processed_total");
             const std::string large = PngBytes(MakePlainPicture(900, 900, 1, 2, 3));
             stream->SendBytes(1, large);
             stream->SendBytes(2, large);
             ASSERT_TRUE(Eventually(
                 [&] { return Metric("slotmatch_frames_processed_total") == before + 2; }));
           }},
          {"after an answer", [this](TestStream* stream) {
             stream->Open();
             Send(stream, 1);
             ASSERT_TRUE(stream->Read().has_value());
           }}};
}

TEST_F(SegmentStreamFault, CancelInEveryStateGivesThePlaceBack) {
  config_.mutable_limits()->set_max_sessions(1);
  config_.mutable_limits()->set_max_queued_frames(2);
  StartApp();
  for (const CancelState& state : CancelStates()) {
    SCOPED_TRACE(state.what);
    {
      TestStream stream(channel_);
      state.reach(&stream);
      stream.Cancel();
      EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
    }
    fake_->Release();
    EXPECT_TRUE(Eventually([&] {
      TestStream next(channel_);
      return next.SendConfig() && next.Read().has_value();
    }));
    EXPECT_TRUE(Eventually([&] { return Metric("slotmatch_sessions_active") == 0; }));
  }
}

TEST_F(SegmentStreamFault, CancelWhileDrainingEndsTheDrain) {
  config_.mutable_shutdown()->set_drain_deadline_ms(3600000);
  StartApp();
  TestStream stream(channel_);
  stream.Open();
  std::thread drain([&] { app_->Drain(); });
  const auto told = stream.Read();
  EXPECT_TRUE(told.has_value() && told->has_go_away());
  stream.Cancel();
  drain.join();  // hangs otherwise
  EXPECT_EQ(Cancelled(), 1);
}

}  // namespace
}  // namespace slotmatch
