#include "client/bench/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace slotmatch {
namespace {

using Kind = SendSchedule::Kind;

std::vector<double> Gaps(Kind kind, uint64_t seed, int count) {
  SendSchedule schedule(kind, 50, seed);
  std::vector<double> gaps;
  absl::Duration last = schedule.Next();
  for (int i = 0; i < count; ++i) {
    const absl::Duration next = schedule.Next();
    gaps.push_back(absl::ToDoubleSeconds(next - last));
    last = next;
  }
  return gaps;
}

TEST(SendSchedule, ConstantGapsAreThePeriod) {
  for (const double gap : Gaps(Kind::kConstant, 1, 100)) EXPECT_NEAR(gap, 0.02, 1e-8);
}

TEST(SendSchedule, SendersBeginApartWithinTheFirstPeriod) {
  const absl::Duration a = SendSchedule(Kind::kConstant, 50, 1).Next();
  const absl::Duration b = SendSchedule(Kind::kConstant, 50, 2).Next();
  EXPECT_NE(a, b);
  for (const absl::Duration first : {a, b}) {
    EXPECT_GE(first, absl::ZeroDuration());
    EXPECT_LT(first, absl::Milliseconds(20));
  }
}

// Gaps of a Poisson process have their mean as standard deviation.
TEST(SendSchedule, PoissonGapsHaveTheRateAndItsSpread) {
  const std::vector<double> gaps = Gaps(Kind::kPoisson, 7, 20000);
  double sum = 0, squares = 0;
  for (const double gap : gaps) {
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / gaps.size();
  EXPECT_NEAR(mean, 0.02, 0.0006);
  EXPECT_NEAR(std::sqrt(squares / gaps.size() - mean * mean), 0.02, 0.001);
}

TEST(SendSchedule, SameSeedGivesTheSameTimes) {
  EXPECT_EQ(Gaps(Kind::kPoisson, 3, 50), Gaps(Kind::kPoisson, 3, 50));
  EXPECT_NE(Gaps(Kind::kPoisson, 3, 50), Gaps(Kind::kPoisson, 4, 50));
}

}  // namespace
}  // namespace slotmatch
