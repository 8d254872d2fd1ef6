#include "trainer/eval/boundary.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/base/assignment.h"
#include "trainer/eval/iou.h"

namespace slotmatch {
namespace {

constexpr double kWidthOfDiagonal = 0.02;

int HalfWidth(int width, int height) {
  // Halves go to the even number, as Python rounds.
  const double rounded = std::nearbyint(kWidthOfDiagonal * std::hypot(width, height));
  return std::max(1, static_cast<int>(rounded));
}

double FMeasure(const Contingency& boundaries, int object, int slot) {
  const auto shared = static_cast<double>(boundaries.shared(object, slot));
  if (shared == 0) return 0;
  const double precision = shared / static_cast<double>(boundaries.SlotArea(slot));
  const double recall = shared / static_cast<double>(boundaries.ObjectArea(object));
  return 2 * precision * recall / (precision + recall);
}

}  // namespace

LabelMap Boundaries(const LabelMap& map, uint8_t none) {
  LabelMap result = map;
  const int half = HalfWidth(map.width, map.height);
  if (map.width <= 2 * half || map.height <= 2 * half) return result;
  const cv::Mat labels(map.height, map.width, CV_8UC1, const_cast<uint8_t*>(map.labels.data()));
  const cv::Mat square = cv::Mat::ones(2 * half + 1, 2 * half + 1, CV_8UC1);
  cv::Mat lowest, highest;
  cv::erode(labels, lowest, square);
  cv::dilate(labels, highest, square);
  for (int y = half; y < map.height - half; ++y) {
    const auto *low = lowest.ptr<uint8_t>(y), *high = highest.ptr<uint8_t>(y);
    uint8_t* row = &result.labels[static_cast<size_t>(y) * map.width];
    for (int x = half; x < map.width - half; ++x) {
      if (low[x] == high[x]) row[x] = none;
    }
  }
  return result;
}

void RegionAndBoundary::Grow(int num_objects) {
  if (num_objects <= this->num_objects()) return;
  present_.resize(num_objects, false);
  jaccard_.resize(static_cast<size_t>(num_objects) * num_slots_, 0.0);
  boundary_f_.resize(jaccard_.size(), 0.0);
}

void RegionAndBoundary::AddFrame(const Contingency& pixels, const Contingency& boundaries) {
  ++frames_;
  Grow(pixels.num_rows() - 1);
  for (int object = 1; object < pixels.num_rows(); ++object) {
    if (pixels.ObjectArea(object) == 0) continue;
    present_[object - 1] = true;
    for (int slot = 0; slot < num_slots_; ++slot) {
      const size_t i = static_cast<size_t>(object - 1) * num_slots_ + slot;
      jaccard_[i] += PairIou(pixels, object, slot);
      boundary_f_[i] += FMeasure(boundaries, object, slot);
    }
  }
}

void RegionAndBoundary::Add(const RegionAndBoundary& later_frames) {
  frames_ += later_frames.frames_;
  Grow(later_frames.num_objects());
  for (size_t i = 0; i < later_frames.jaccard_.size(); ++i) {
    jaccard_[i] += later_frames.jaccard_[i];
    boundary_f_[i] += later_frames.boundary_f_[i];
  }
  for (int object = 0; object < later_frames.num_objects(); ++object) {
    if (later_frames.present_[object]) present_[object] = true;
  }
}

std::optional<RegionAndBoundary::Scores> RegionAndBoundary::Match() const {
  const auto objects = std::count(present_.begin(), present_.end(), true);
  if (objects == 0) return std::nullopt;
  std::vector<double> costs(jaccard_.size());
  for (size_t i = 0; i < costs.size(); ++i) costs[i] = -(jaccard_[i] + boundary_f_[i]);
  const std::vector<int> slot_of = SolveAssignment(costs, num_objects(), num_slots_);
  Scores scores;
  for (int object = 0; object < num_objects(); ++object) {
    if (slot_of[object] < 0) continue;
    const size_t i = static_cast<size_t>(object) * num_slots_ + slot_of[object];
    scores.jaccard += jaccard_[i];
    scores.boundary_f += boundary_f_[i];
  }
  const double items = static_cast<double>(objects) * static_cast<double>(frames_);
  scores.jaccard /= items;
  scores.boundary_f /= items;
  scores.j_and_f = (scores.jaccard + scores.boundary_f) / 2;
  return scores;
}

}  // namespace slotmatch
