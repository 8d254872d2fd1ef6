#include "server/rpc/session_clock.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

using Event = SessionClock::Event;

const absl::Time kStart = absl::FromUnixSeconds(1000);
absl::Time At(int64_t seconds) { return kStart + absl::Seconds(seconds); }

TEST(SessionClock, WarnsOnceAtHalfTheIdleTimeAndThenEnds) {
  SessionClock clock(absl::Seconds(10), absl::ZeroDuration(), kStart);
  EXPECT_EQ(clock.Tick(At(4), false), Event::kNone);
  EXPECT_EQ(clock.Tick(At(5), false), Event::kIdleSoon);
  EXPECT_EQ(clock.IdleLeft(At(5)), absl::Seconds(5));
  EXPECT_EQ(clock.Tick(At(6), false), Event::kNone);
  EXPECT_EQ(clock.Tick(At(10), false), Event::kIdle);
}

TEST(SessionClock, StartsAnewWhenSomethingMoves) {
  SessionClock clock(absl::Seconds(10), absl::ZeroDuration(), kStart);
  EXPECT_EQ(clock.Tick(At(6), false), Event::kIdleSoon);
  clock.Moved(At(7));
  EXPECT_EQ(clock.Tick(At(11), false), Event::kNone);
  EXPECT_EQ(clock.Tick(At(13), false), Event::kIdleSoon);
  EXPECT_EQ(clock.Tick(At(17), false), Event::kIdle);
}

TEST(SessionClock, StandsStillWhileTheSessionIsBusy) {
  SessionClock clock(absl::Seconds(10), absl::ZeroDuration(), kStart);
  EXPECT_EQ(clock.Tick(At(100), true), Event::kNone);
  EXPECT_EQ(clock.Tick(At(104), false), Event::kNone);
  EXPECT_EQ(clock.Tick(At(110), false), Event::kIdle);
}

TEST(SessionClock, AgesWhateverHappens) {
  SessionClock clock(absl::Seconds(10), absl::Seconds(60), kStart);
  EXPECT_EQ(clock.Tick(At(59), true), Event::kNone);
  clock.Moved(At(60));
  EXPECT_EQ(clock.Tick(At(60), true), Event::kMaxAge);
}

}  // namespace
}  // namespace slotmatch
