#include "trainer/eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/data/random.h"

namespace slotmatch {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double Quantile(const std::vector<double>& sorted, double q) {
  const double rank = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<double> ResampledMeans(absl::Span<const VideoItems> videos, uint64_t seed, int draws) {
  const auto count = static_cast<int64_t>(videos.size());
  std::vector<double> means;
  for (int draw = 0; draw < draws; ++draw) {
    Random random(seed, draw);
    double sum = 0;
    int64_t items = 0;
    for (int64_t i = 0; i < count; ++i) {
      const VideoItems& video = videos[random.Below(count)];
      sum += video.sum;
      items += video.items;
    }
    means.push_back(items == 0 ? kNan : sum / static_cast<double>(items));
  }
  return means;
}

Interval PercentileInterval(std::vector<double> values, double confidence) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  if (values.empty()) return {kNan, kNan};
  std::sort(values.begin(), values.end());
  return {Quantile(values, (1 - confidence) / 2), Quantile(values, (1 + confidence) / 2)};
}

}  // namespace slotmatch
