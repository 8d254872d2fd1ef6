#include "client/bench/load_window.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

LoadWindow Window(int results, absl::Duration latency) {
  LoadWindow window;
  window.length = absl::Seconds(2);
  window.results = results;
  for (int i = 0; i < results; ++i) window.latency.Add(latency);
  return window;
}

bool StableAt10Percent(const std::vector<LoadWindow>& windows) {
  return Stable(windows, 3, 0.99, 0.1);
}

TEST(LoadWindow, RateIsResultsOverLength) {
  EXPECT_EQ(Window(30, absl::Milliseconds(1)).results_per_second(), 15);
  EXPECT_EQ(LoadWindow().results_per_second(), 0);
}

TEST(LoadWindow, MergeAddsUp) {
  LoadWindow a = Window(10, absl::Milliseconds(1)), b = Window(30, absl::Milliseconds(5));
  a.errors = b.dropped = b.unsent = 2;
  a.Merge(b);
  EXPECT_EQ(a.length, absl::Seconds(4));
  EXPECT_EQ(a.results, 40);
  EXPECT_EQ(a.latency.count(), 40);
  EXPECT_EQ(a.errors + a.dropped + a.unsent, 6);
}

TEST(LoadWindow, StableWhenTheLastOnesAgree) {
  const LoadWindow slow = Window(50, absl::Milliseconds(40)),
                   a = Window(100, absl::Milliseconds(20)), b = Window(104, absl::Milliseconds(21));
  EXPECT_TRUE(StableAt10Percent({slow, a, b, a}));
  EXPECT_FALSE(StableAt10Percent({a, b, slow}));
  EXPECT_FALSE(StableAt10Percent({a, slow, b}));
}

TEST(LoadWindow, LatencyAloneMayBeUnstable) {
  const LoadWindow a = Window(100, absl::Milliseconds(20)), b = Window(100, absl::Milliseconds(30));
  EXPECT_FALSE(StableAt10Percent({a, b, a}));
}

TEST(LoadWindow, TooFewOrEmptyWindowsAreNotStable) {
  const LoadWindow a = Window(100, absl::Milliseconds(20)), none = Window(0, absl::Seconds(1));
  EXPECT_FALSE(StableAt10Percent({a, a}));
  EXPECT_FALSE(StableAt10Percent({none, none, none}));
}

}  // namespace
}  // namespace slotmatch
