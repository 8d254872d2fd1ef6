#include "server/rpc/frame_rate.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

const absl::Time kStart = absl::UnixEpoch();

// Frames of `count` that come `apart` and are let through.
int Passed(FrameRate* rate, int count, absl::Duration apart, absl::Time from = kStart) {
  int passed = 0;
  for (int i = 0; i < count; ++i) passed += rate->Take(from + i * apart);
  return passed;
}

TEST(FrameRate, NoneMeansAny) {
  FrameRate rate(0);
  EXPECT_EQ(Passed(&rate, 1000, absl::ZeroDuration()), 1000);
}

TEST(FrameRate, KeepsTheRateAndLetsASecondsFramesComeAtOnce) {
  FrameRate steady(10), sudden(10);
  EXPECT_EQ(Passed(&steady, 100, absl::Milliseconds(100)), 100);
  EXPECT_EQ(Passed(&sudden, 100, absl::ZeroDuration()), 10);
  EXPECT_EQ(sudden.NextAt(), kStart + absl::Milliseconds(100));
  EXPECT_EQ(Passed(&sudden, 100, absl::Milliseconds(10), kStart + absl::Milliseconds(1)), 9);
  EXPECT_EQ(Passed(&sudden, 100, absl::ZeroDuration(), kStart + absl::Hours(1)), 10);
}

TEST(FrameRate, MayBeLessThanOneASecond) {
  FrameRate rate(0.5);
  EXPECT_EQ(Passed(&rate, 21, absl::Seconds(1)), 11);
}

}  // namespace
}  // namespace slotmatch
