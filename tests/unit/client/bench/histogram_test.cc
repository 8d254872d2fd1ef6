#include "client/bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace slotmatch {
namespace {

TEST(DurationHistogram, EmptyIsAllZero) {
  const DurationHistogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.mean(), absl::ZeroDuration());
  EXPECT_EQ(histogram.Quantile(0.99), absl::ZeroDuration());
}

TEST(DurationHistogram, SmallValuesAreExact) {
  DurationHistogram histogram;
  for (int us = 1; us <= 100; ++us) histogram.Add(absl::Microseconds(us));
  EXPECT_EQ(histogram.Quantile(0.0), absl::Microseconds(1));
  EXPECT_EQ(histogram.Quantile(0.5), absl::Microseconds(50));
  EXPECT_EQ(histogram.Quantile(0.99), absl::Microseconds(99));
  EXPECT_EQ(histogram.Quantile(1.0), absl::Microseconds(100));
  EXPECT_EQ(histogram.mean(), absl::Nanoseconds(50500));
}

TEST(DurationHistogram, QuantilesAreWithinTheirBucketOfTheSortedValues) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> seconds(-3, 2);
  DurationHistogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(std::floor(seconds(random) * 1e6) / 1e6);
    histogram.Add(absl::Seconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = values[static_cast<size_t>(std::ceil(q * values.size())) - 1];
    EXPECT_NEAR(absl::ToDoubleSeconds(histogram.Quantile(q)), exact, exact / 60 + 2e-6) << q;
  }
  EXPECT_NEAR(absl::ToDoubleSeconds(histogram.max()), values.back(), 1e-6);
}

TEST(DurationHistogram, NothingIsTooShortOrTooLong) {
  DurationHistogram histogram;
  histogram.Add(-absl::Seconds(1));
  EXPECT_EQ(histogram.Quantile(1), absl::ZeroDuration());
  histogram.Add(absl::Hours(1000));
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.max(), absl::Hours(1000));
  EXPECT_GT(histogram.Quantile(1), absl::Hours(19));
}

TEST(DurationHistogram, MergeEqualsAddingAllToOne) {
  DurationHistogram a, b, both;
  for (int i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? a : b).Add(absl::Microseconds(i * i));
    both.Add(absl::Microseconds(i * i));
  }
  a.Merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.mean(), both.mean());
  EXPECT_EQ(a.max(), both.max());
  for (const double q : {0.1, 0.5, 0.999}) EXPECT_EQ(a.Quantile(q), both.Quantile(q));
}

}  // namespace
}  // namespace slotmatch
