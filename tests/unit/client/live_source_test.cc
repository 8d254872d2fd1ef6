#include "client/live_source.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

// `count` frames, the n-th n + 1 pixels wide, then the end. `given` counts across sources.
class Camera : public FrameSource {
 public:
  Camera(int count, absl::Duration period, std::atomic<int>* given)
      : count_(count), period_(period), given_(given) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    absl::SleepFor(period_);
    if (next_ == count_) return std::nullopt;
    ++*given_;
    return ClientFrame{cv::Mat(1, ++next_, CV_8UC3), ""};
  }
  double frames_per_second() const override { return 12; }
  bool live() const override { return true; }

 private:
  const int count_;
  const absl::Duration period_;
  std::atomic<int>* const given_;
  int next_ = 0;
};

class LiveSourceTest : public testing::Test {
 protected:
  std::unique_ptr<LiveSource> Open(int frames, absl::Duration patience,
                                   const LiveSource::Opener& again = nullptr) {
    return std::make_unique<LiveSource>(
        "camera", std::make_unique<Camera>(frames, absl::Milliseconds(1), &given_), again, patience,
        &stop_);
  }

  std::atomic<int> given_{0};
  std::atomic<bool> stop_{false};
};

TEST_F(LiveSourceTest, NeverHoldsItsSourceBackAndCountsWhatItSkips) {
  const auto source = Open(200, absl::ZeroDuration());
  EXPECT_EQ(source->frames_per_second(), 12);
  EXPECT_TRUE(source->live());
  int64_t taken = 0, accounted = 0;
  for (;;) {
    const auto frame = source->Next();
    ASSERT_THAT(frame, IsOk());
    if (!frame->has_value()) break;
    ++taken;
    accounted += (*frame)->skipped + 1;
    EXPECT_EQ((*frame)->bgr.cols, accounted) << "the number of the frame at the source";
    absl::SleepFor(absl::Milliseconds(20));  // slower than the camera
  }
  EXPECT_EQ(given_, 200);
  EXPECT_EQ(accounted, 200) << "the last frame is given, too";
  EXPECT_LT(taken, 100);
}

TEST_F(LiveSourceTest, BrokenSourceIsOpenedAgain) {
  int opened = 0;
  const auto again = [&]() -> absl::StatusOr<std::unique_ptr<FrameSource>> {
    if (++opened == 1) return absl::UnavailableError("not yet");
    return std::make_unique<Camera>(1000000, absl::Milliseconds(1), &given_);
  };
  const auto source = Open(3, absl::Seconds(60), again);
  int64_t number = 0;
  while (number < 10) {
    const auto frame = source->Next();
    ASSERT_TRUE(frame.ok() && frame->has_value());
    number += (*frame)->skipped + 1;
  }
  EXPECT_EQ(opened, 2);
}

TEST_F(LiveSourceTest, SourceThatStaysAwayIsUnavailable) {
  const auto again = []() -> absl::StatusOr<std::unique_ptr<FrameSource>> {
    return absl::UnavailableError("gone");
  };
  const auto source = Open(0, absl::Milliseconds(100), again);
  EXPECT_THAT(source->Next(), FailsWith(absl::StatusCode::kUnavailable, "camera broke off"));
}

TEST_F(LiveSourceTest, StopEndsAWaitForAFrame) {
  const auto source =
      std::make_unique<LiveSource>("camera", std::make_unique<Camera>(5, absl::Seconds(1), &given_),
                                   nullptr, absl::ZeroDuration(), &stop_);
  stop_ = true;
  const auto frame = source->Next();
  ASSERT_THAT(frame, IsOk());
  EXPECT_FALSE(frame->has_value());
}

}  // namespace
}  // namespace slotmatch
