#include "core/engine/departures.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(Departures, MeanGapWithinBounds) {
  absl::Time now = absl::FromUnixSeconds(1000);
  Departures departures;
  EXPECT_EQ(departures.NextIn(), absl::Seconds(1));
  departures.Left(now);
  EXPECT_EQ(departures.NextIn(), absl::Seconds(1)) << "one departure tells no gap";
  for (int i = 0; i < 3; ++i) departures.Left(now += absl::Seconds(8));
  EXPECT_EQ(departures.NextIn(), absl::Seconds(8));
  departures.Left(now += absl::Seconds(16));
  EXPECT_EQ(departures.NextIn(), absl::Seconds(9));
  for (int i = 0; i < 100; ++i) departures.Left(now);
  EXPECT_EQ(departures.NextIn(), absl::Milliseconds(100));
  for (int i = 0; i < 100; ++i) departures.Left(now += absl::Hours(1));
  EXPECT_EQ(departures.NextIn(), absl::Seconds(60));
}

}  // namespace
}  // namespace slotmatch
