#include "core/track/mask_stats.h"

#include <algorithm>
#include <cmath>

namespace slotmatch {
namespace {

// Bilinear source positions of every output position, align_corners = false.
struct Lerp {
  std::vector<int> low, high;
  std::vector<float> weight;  // of `high`
};

Lerp MakeLerp(int in, int out) {
  Lerp lerp;
  lerp.low.resize(out);
  lerp.high.resize(out);
  lerp.weight.resize(out);
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int i = 0; i < out; ++i) {
    const float at = std::max(0.0f, scale * (static_cast<float>(i) + 0.5f) - 0.5f);
    lerp.low[i] = std::min(static_cast<int>(at), in - 1);
    lerp.high[i] = std::min(lerp.low[i] + 1, in - 1);
    lerp.weight[i] = at - static_cast<float>(lerp.low[i]);
  }
  return lerp;
}

// Sums over the pixels of one slot, grown pixel run by pixel run.
struct Tally {
  int64_t area = 0;
  double value = 0;
  int64_t x = 0, y = 0;
  int left = 0, top = 0, right = -1, bottom = -1;
};

void Count(Tally* tally, int y, int begin, int end, float value) {
  if (tally->area == 0) {
    *tally = {0, 0, 0, 0, begin, y, end - 1, y};
  }
  tally->area += end - begin;
  tally->value += value;
  tally->x += int64_t{begin + end - 1} * (end - begin) / 2;
  tally->y += int64_t{y} * (end - begin);
  tally->left = std::min(tally->left, begin);
  tally->right = std::max(tally->right, end - 1);
  tally->bottom = y;
}

class Upsampler {
 public:
  Upsampler(absl::Span<const float> masks, int slots, int grid_h, int grid_w, int out_h, int out_w)
      : masks_(masks),
        slots_(slots),
        grid_w_(grid_w),
        plane_(static_cast<size_t>(grid_h) * grid_w),
        rows_(MakeLerp(grid_h, out_h)),
        columns_(MakeLerp(grid_w, out_w)),
        row_(static_cast<size_t>(slots) * grid_w),
        tallies_(slots) {}

  // Labels of output row y.
  void Row(int y, absl::Span<uint8_t> labels) {
    BlendRows(y);
    const int width = static_cast<int>(labels.size());
    int begin = 0;
    while (begin < width) {  // one segment: all columns between the same two grid columns
      int end = begin + 1;
      while (end < width && columns_.low[end] == columns_.low[begin]) ++end;
      Segment(y, begin, end, labels);
      begin = end;
    }
  }

  // Values of every slot in output row y; slots lie `plane` values apart.
  void SoftRow(int y, size_t plane, absl::Span<float> values) {
    BlendRows(y);
    const size_t width = columns_.low.size();
    for (int k = 0; k < slots_; ++k) {
      for (size_t x = 0; x < width; ++x) values[k * plane + x] = At(k, static_cast<int>(x));
    }
  }

  const std::vector<Tally>& tallies() const { return tallies_; }

 private:
  void BlendRows(int y) {
    const float w = rows_.weight[y];
    for (int k = 0; k < slots_; ++k) {
      const float* low = masks_.data() + k * plane_ + static_cast<size_t>(rows_.low[y]) * grid_w_;
      const float* high = masks_.data() + k * plane_ + static_cast<size_t>(rows_.high[y]) * grid_w_;
      float* out = row_.data() + static_cast<size_t>(k) * grid_w_;
      for (int x = 0; x < grid_w_; ++x) out[x] = low[x] + w * (high[x] - low[x]);
    }
  }

  float At(int slot, int x) const {
    const float* row = row_.data() + static_cast<size_t>(slot) * grid_w_;
    const float low = row[columns_.low[x]];
    return low + columns_.weight[x] * (row[columns_.high[x]] - low);
  }

  // Within a segment every slot's value is a straight line, so only slots that some other slot
  // does not beat at both ends can win.
  void Candidates(int first, int last) {
    candidates_.clear();
    int best = 0;
    float best_sum = -1;
    for (int k = 0; k < slots_; ++k) {
      const float sum = At(k, first) + At(k, last);
      if (sum > best_sum) best = k, best_sum = sum;
    }
    const float at_first = At(best, first), at_last = At(best, last);
    for (int k = 0; k < slots_; ++k) {
      if (k == best || At(k, first) >= at_first || At(k, last) >= at_last) candidates_.push_back(k);
    }
  }

  void Segment(int y, int begin, int end, absl::Span<uint8_t> labels) {
    Candidates(begin, end - 1);
    for (int x = begin; x < end; ++x) {
      int best = candidates_[0];
      float best_value = At(best, x);
      for (size_t i = 1; i < candidates_.size(); ++i) {
        const float value = At(candidates_[i], x);
        if (value > best_value) best = candidates_[i], best_value = value;
      }
      labels[x] = static_cast<uint8_t>(best);
      Count(&tallies_[best], y, x, x + 1, best_value);
    }
  }

  absl::Span<const float> masks_;
  int slots_, grid_w_;
  size_t plane_;
  Lerp rows_, columns_;
  std::vector<float> row_;  // [K, grid_w] of the present output row
  std::vector<int> candidates_;
  std::vector<Tally> tallies_;
};

}  // namespace

std::vector<float> ResizeSoftMasks(absl::Span<const float> masks, int num_slots, int grid_height,
                                   int grid_width, int out_height, int out_width) {
  Upsampler upsampler(masks, num_slots, grid_height, grid_width, out_height, out_width);
  const size_t plane = static_cast<size_t>(out_height) * out_width;
  std::vector<float> result(static_cast<size_t>(num_slots) * plane);
  for (int y = 0; y < out_height; ++y) {
    upsampler.SoftRow(y, plane, absl::MakeSpan(result).subspan(static_cast<size_t>(y) * out_width));
  }
  return result;
}

Segmentation SegmentFromSoftMasks(absl::Span<const float> masks, int num_slots, int grid_height,
                                  int grid_width, int out_height, int out_width) {
  Upsampler upsampler(masks, num_slots, grid_height, grid_width, out_height, out_width);
  Segmentation result;
  result.map = {out_width, out_height,
                std::vector<uint8_t>(static_cast<size_t>(out_width) * out_height)};
  for (int y = 0; y < out_height; ++y) {
    upsampler.Row(y, absl::MakeSpan(result.map.labels.data() + static_cast<size_t>(y) * out_width,
                                    out_width));
  }
  for (const Tally& tally : upsampler.tallies()) {
    SlotStats stats;
    if (tally.area > 0) {
      stats = {tally.area,
               tally.value / static_cast<double>(tally.area),
               tally.left,
               tally.top,
               tally.right - tally.left + 1,
               tally.bottom - tally.top + 1,
               static_cast<double>(tally.x) / static_cast<double>(tally.area) + 0.5,
               static_cast<double>(tally.y) / static_cast<double>(tally.area) + 0.5};
    }
    result.slots.push_back(stats);
  }
  return result;
}

}  // namespace slotmatch
