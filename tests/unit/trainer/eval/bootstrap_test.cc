#include "trainer/eval/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slotmatch {
namespace {

TEST(PercentileInterval, IsLinearBetweenRanks) {
  const Interval all = PercentileInterval({3, 1, 2, 0, 4}, 1.0);
  EXPECT_EQ(all.low, 0);
  EXPECT_EQ(all.high, 4);
  const Interval half = PercentileInterval({0, 1, 2, 3}, 0.5);
  EXPECT_DOUBLE_EQ(half.low, 0.75);
  EXPECT_DOUBLE_EQ(half.high, 2.25);
}

TEST(PercentileInterval, LeavesNanOut) {
  EXPECT_EQ(PercentileInterval({std::nan(""), 2, 2}, 0.95).high, 2);
  EXPECT_TRUE(std::isnan(PercentileInterval({std::nan("")}, 0.95).low));
  EXPECT_TRUE(std::isnan(PercentileInterval({}, 0.95).low));
}

TEST(ResampledMeans, AreTheSameForTheSameSeed) {
  const std::vector<VideoItems> videos = {{1, 1}, {2, 1}, {6, 2}, {0, 1}};
  EXPECT_EQ(ResampledMeans(videos, 7, 50), ResampledMeans(videos, 7, 50));
  EXPECT_NE(ResampledMeans(videos, 7, 50), ResampledMeans(videos, 8, 50));
}

// Of n videos with standard deviation s the mean has s / sqrt(n).
TEST(ResampledMeans, SpreadAsTheMeanDoes) {
  constexpr int kVideos = 400, kDraws = 2000;
  std::vector<VideoItems> videos;
  for (int i = 0; i < kVideos; ++i) videos.push_back({i % 2 == 0 ? 0.0 : 1.0, 1});
  const Interval interval = PercentileInterval(ResampledMeans(videos, 1, kDraws), 0.95);
  const double half_width = 1.96 * 0.5 / std::sqrt(kVideos);
  EXPECT_NEAR(interval.low, 0.5 - half_width, 0.006);
  EXPECT_NEAR(interval.high, 0.5 + half_width, 0.006);
}

TEST(ResampledMeans, PoolItemsAndPairModels) {
  // A long video of 0 and a short one of 1: the pooled mean is 0.1, 0 or 1.
  for (const double mean : ResampledMeans(std::vector<VideoItems>{{0, 9}, {1, 1}}, 2, 100)) {
    EXPECT_TRUE(mean == 0 || mean == 1 || std::abs(mean - 0.1) < 1e-15) << mean;
  }
  // A model that is better by 0.25 on every video is so on every draw.
  const std::vector<VideoItems> a = {{0.5, 1}, {0, 1}, {0.25, 1}},
                                b = {{0.75, 1}, {0.25, 1}, {0.5, 1}};
  const std::vector<double> means_a = ResampledMeans(a, 3, 100),
                            means_b = ResampledMeans(b, 3, 100);
  for (size_t i = 0; i < means_a.size(); ++i) EXPECT_NEAR(means_b[i] - means_a[i], 0.25, 1e-15);
}

TEST(ResampledMeans, DrawsWithoutItemsAreNan) {
  for (const double mean : ResampledMeans(std::vector<VideoItems>{{0, 0}}, 1, 3)) {
    EXPECT_TRUE(std::isnan(mean));
  }
}

}  // namespace
}  // namespace slotmatch
