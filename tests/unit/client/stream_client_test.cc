#include "client/stream_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

class StreamClientTest : public ServerFixture {
 protected:
  static v1::Frame Frame(uint64_t id) {
    v1::Frame frame;
    frame.set_frame_id(id);
    frame.set_encoded(PngBytes(MakePicture(8, 8)));
    return frame;
  }
};

TEST_F(StreamClientTest, ConnectGivesUpWhenNobodyAnswers) {
  const absl::Time start = absl::Now();
  EXPECT_THAT(Connect({"127.0.0.1:1"}, absl::Milliseconds(300)),
              FailsWith(absl::StatusCode::kUnavailable, "127.0.0.1:1"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(StreamClientTest, HealthAndModelsOfAServer) {
  StartApp();
  const auto channel = Connect({absl::StrCat("127.0.0.1:", app_->grpc_port())}, absl::Seconds(20));
  ASSERT_THAT(channel, IsOk());
  EXPECT_THAT(CheckHealth(*channel, "readiness", absl::Seconds(20)), IsOk());
  EXPECT_THAT(CheckHealth(*channel, "nobody", absl::Seconds(20)),
              FailsWith(absl::StatusCode::kNotFound, "nobody"));
  const auto models = ListModels(*channel, absl::Seconds(20));
  ASSERT_THAT(models, IsOk());
  EXPECT_EQ(models->default_model(), "fake");
}

TEST_F(StreamClientTest, ReceivesOneAnswerPerFrameThenTheEnd) {
  StartApp();
  const auto client = StreamClient::Open(channel_, {});
  ASSERT_THAT(client, IsOk());
  EXPECT_EQ((*client)->opened().model().name(), "fake");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*client)->Send(Frame(i)));
  (*client)->SendDone();
  for (uint64_t i = 0; i < 3; ++i) {
    const auto response = (*client)->Receive();
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ((*response)->result().frame_id(), i);
  }
  const auto end = (*client)->Receive();
  ASSERT_THAT(end, IsOk());
  EXPECT_FALSE(end->has_value());
}

TEST_F(StreamClientTest, RefusedSessionsGiveTheServersStatus) {
  config_.mutable_limits()->set_max_sessions(1);
  StartApp();
  v1::SessionConfig config;
  config.set_model("nobody");
  EXPECT_THAT(StreamClient::Open(channel_, config),
              FailsWith(absl::StatusCode::kNotFound, "'nobody'"));
  const auto first = StreamClient::Open(channel_, {});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(StreamClient::Open(channel_, {}),
              FailsWith(absl::StatusCode::kResourceExhausted, "all 1"));
}

TEST_F(StreamClientTest, StreamThatTheServerEndsGivesItsStatus) {
  StartApp();
  const auto client = StreamClient::Open(channel_, {});
  ASSERT_THAT(client, IsOk());
  (*client)->Send(Frame(2));
  ASSERT_THAT((*client)->Receive(), IsOk());
  (*client)->Send(Frame(2));
  EXPECT_THAT((*client)->Receive(), FailsWith(absl::StatusCode::kOutOfRange, "frame_id"));
  EXPECT_TRUE(Eventually([&] { return !(*client)->Send(Frame(3)); }));
}

TEST_F(StreamClientTest, AbandonedStreamsAreCancelled) {
  StartApp();
  { ASSERT_THAT(StreamClient::Open(channel_, {}), IsOk()); }
  EXPECT_TRUE(Eventually([&] { return app_->metrics().sessions_active() == 0; }));
}

}  // namespace
}  // namespace slotmatch
