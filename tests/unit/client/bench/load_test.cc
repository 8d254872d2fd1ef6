#include "client/bench/load.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

class RunLoadTest : public ServerFixture {
 protected:
  RunLoadTest() {
    options_.sessions = 3;
    options_.warm_up = absl::ZeroDuration();
    options_.window = absl::Milliseconds(100);
    options_.max_windows = 3;
    options_.tolerance = 1e9;  // a busy machine is not what is tested
  }

  absl::StatusOr<LoadResult> Run() { return RunLoad({channel_}, pictures_, options_); }

  const std::vector<std::string> pictures_ = {PngBytes(MakePlainPicture(8, 8, 1, 2, 3)),
                                              PngBytes(MakePlainPicture(8, 8, 9, 9, 9))};
  LoadOptions options_;
};

TEST_F(RunLoadTest, ClosedLoopCountsResults) {
  StartApp();
  const auto result = Run();
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->stable);
  EXPECT_EQ(result->windows, 3);
  EXPECT_GT(result->total.results, 0);
  EXPECT_EQ(result->total.latency.count(), result->total.results);
  EXPECT_EQ(result->total.errors + result->total.dropped + result->sessions_lost, 0);
  EXPECT_EQ(Metric("slotmatch_sessions_closed_total{reason=\"client_done\"}"), 3);
}

TEST_F(RunLoadTest, ClosedLoopKeepsNoMoreFramesInFlightThanAsked) {
  StartApp();
  options_.in_flight = 2;
  fake_->Hold();
  std::thread load([&] { EXPECT_THAT(Run(), IsOk()); });
  ASSERT_TRUE(Eventually([&] { return Metric("slotmatch_frames_received_total") == 6; }));
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(Metric("slotmatch_frames_received_total"), 6);
  fake_->Release();
  load.join();
}

TEST_F(RunLoadTest, OpenLoopSendsAtItsRateWhateverComesBack) {
  StartApp();
  options_.fps = 100;
  options_.sessions = 2;
  const auto result = Run();
  ASSERT_THAT(result, IsOk());
  EXPECT_NEAR(static_cast<double>(result->total.results),
              200 * absl::ToDoubleSeconds(result->total.length), 30);
}

// The trap of a load generator that waits for the server: a stall of 400 ms would show in one
// frame. Here every frame that was due meanwhile has waited.
TEST_F(RunLoadTest, StallShowsInEveryFrameThatWasDueMeanwhile) {
  StartApp();
  options_.sessions = 1;
  options_.fps = 100;
  options_.window = absl::Milliseconds(300);
  fake_->Hold();
  std::thread stall([&] {
    ASSERT_TRUE(fake_->WaitUntilInside());
    absl::SleepFor(absl::Milliseconds(400));
    fake_->Release();
  });
  const auto result = Run();
  stall.join();
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->total.latency.max(), absl::Milliseconds(390));
  EXPECT_GE(result->total.latency.Quantile(0.9), absl::Milliseconds(200));
}

TEST_F(RunLoadTest, FailedFramesAreCounted) {
  StartApp();
  options_.sessions = 1;
  const auto result = RunLoad({channel_}, {"no picture"}, options_);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->total.results, 0);
  EXPECT_GT(result->total.errors, 0);
  EXPECT_FALSE(result->stable);
}

TEST_F(RunLoadTest, DroppedFramesAreCounted) {
  StartApp();
  options_.sessions = 1;
  options_.fps = 500;
  options_.config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
  fake_->SetDelay(absl::Milliseconds(20));
  const auto result = Run();
  ASSERT_THAT(result, IsOk());
  EXPECT_GT(result->total.dropped, result->total.results);
}

TEST_F(RunLoadTest, SessionThatCannotBeOpenedIsNamed) {
  config_.mutable_limits()->set_max_sessions(2);
  StartApp();
  EXPECT_THAT(Run(), FailsWith(absl::StatusCode::kResourceExhausted, "all 2 sessions are taken"));
}

TEST_F(RunLoadTest, LostSessionsAreCounted) {
  StartApp();
  std::thread drain([&] {
    Eventually([&] { return Metric("slotmatch_frames_processed_total") > 3; });
    app_->Drain();
  });
  options_.window = absl::Seconds(10);
  const auto result = Run();
  drain.join();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->sessions_lost, 3);
  EXPECT_NE(result->first_loss.find("shut down"), std::string::npos) << result->first_loss;
}

TEST_F(RunLoadTest, StopEndsItEarly) {
  StartApp();
  std::atomic<bool> stop{true};
  options_.stop = &stop;
  options_.warm_up = absl::Minutes(1);
  EXPECT_THAT(Run(), FailsWith(absl::StatusCode::kCancelled, "interrupted"));
}

}  // namespace
}  // namespace slotmatch
