#include "core/track/mask_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace slotmatch {
namespace {

using testing::ElementsAre;

// Soft masks [K, h, w] that sum to 1 over K.
std::vector<float> RandomMasks(int slots, int height, int width, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.01f, 1.0f);
  std::vector<float> masks(static_cast<size_t>(slots) * height * width);
  for (float& value : masks) value = uniform(random);
  const int plane = height * width;
  for (int n = 0; n < plane; ++n) {
    float sum = 0;
    for (int k = 0; k < slots; ++k) sum += masks[k * plane + n];
    for (int k = 0; k < slots; ++k) masks[k * plane + n] /= sum;
  }
  return masks;
}

// Bilinear, align_corners = false, of one plane, from the definition.
double Bilinear(const float* plane, int height, int width, int out_height, int out_width, int y,
                int x) {
  const double at_y = std::max(0.0, (y + 0.5) * height / out_height - 0.5);
  const double at_x = std::max(0.0, (x + 0.5) * width / out_width - 0.5);
  const int top = std::min(static_cast<int>(at_y), height - 1);
  const int left = std::min(static_cast<int>(at_x), width - 1);
  const int bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
  const double v = at_y - top, u = at_x - left;
  return (1 - v) * ((1 - u) * plane[top * width + left] + u * plane[top * width + right]) +
         v * ((1 - u) * plane[bottom * width + left] + u * plane[bottom * width + right]);
}

struct Case {
  int slots, height, width, out_height, out_width;
};
const Case kCases[] = {{3, 4, 4, 17, 23}, {7, 2, 5, 40, 3}, {1, 3, 3, 5, 5},   {4, 4, 4, 4, 4},
                       {5, 1, 1, 6, 4},   {6, 8, 8, 3, 5},  {11, 6, 4, 48, 64}};

TEST(SegmentFromSoftMasks, LabelsAreTheArgmaxOfTheResizedMasks) {
  for (const Case& c : kCases) {
    const auto masks = RandomMasks(c.slots, c.height, c.width, c.slots);
    const auto result =
        SegmentFromSoftMasks(masks, c.slots, c.height, c.width, c.out_height, c.out_width);
    ASSERT_EQ(result.map.width, c.out_width);
    ASSERT_EQ(result.map.labels.size(), static_cast<size_t>(c.out_width) * c.out_height);
    for (int y = 0; y < c.out_height; ++y) {
      for (int x = 0; x < c.out_width; ++x) {
        std::vector<double> values;
        for (int k = 0; k < c.slots; ++k) {
          values.push_back(Bilinear(masks.data() + k * c.height * c.width, c.height, c.width,
                                    c.out_height, c.out_width, y, x));
        }
        const int label = result.map.labels[y * c.out_width + x];
        ASSERT_LT(label, c.slots);
        const double best = *std::max_element(values.begin(), values.end());
        ASSERT_NEAR(values[label], best, 1e-6) << "at " << x << "," << y;
      }
    }
  }
}

TEST(SegmentFromSoftMasks, StatisticsAreThoseOfTheLabelMap) {
  for (const Case& c : kCases) {
    const auto masks = RandomMasks(c.slots, c.height, c.width, 10 + c.slots);
    const auto result =
        SegmentFromSoftMasks(masks, c.slots, c.height, c.width, c.out_height, c.out_width);
    ASSERT_EQ(result.slots.size(), static_cast<size_t>(c.slots));
    for (int k = 0; k < c.slots; ++k) {
      int64_t area = 0;
      int left = c.out_width, top = c.out_height, right = -1, bottom = -1;
      double value = 0, sum_x = 0, sum_y = 0;
      for (int y = 0; y < c.out_height; ++y) {
        for (int x = 0; x < c.out_width; ++x) {
          if (result.map.labels[y * c.out_width + x] != k) continue;
          ++area;
          sum_x += x + 0.5, sum_y += y + 0.5;
          left = std::min(left, x), right = std::max(right, x);
          top = std::min(top, y), bottom = std::max(bottom, y);
          value += Bilinear(masks.data() + k * c.height * c.width, c.height, c.width, c.out_height,
                            c.out_width, y, x);
        }
      }
      const SlotStats& stats = result.slots[k];
      ASSERT_EQ(stats.area_px, area);
      ASSERT_NEAR(stats.confidence, area == 0 ? 0 : value / static_cast<double>(area), 1e-5);
      ASSERT_NEAR(stats.center_x, area == 0 ? 0 : sum_x / static_cast<double>(area), 1e-9);
      ASSERT_NEAR(stats.center_y, area == 0 ? 0 : sum_y / static_cast<double>(area), 1e-9);
      ASSERT_EQ(stats.left, area == 0 ? 0 : left);
      ASSERT_EQ(stats.top, area == 0 ? 0 : top);
      ASSERT_EQ(stats.width, area == 0 ? 0 : right - left + 1);
      ASSERT_EQ(stats.height, area == 0 ? 0 : bottom - top + 1);
    }
  }
}

// The map [[0, 1], [2, 3]] grows to a first row of 0, 0.25, 0.75, 1. A second, even slot between
// two of these values shows each of them by who wins.
TEST(SegmentFromSoftMasks, ResizesAsTheReference) {
  const std::vector<float> ramp = {0, 1, 2, 3};
  const auto first_row = [&](float level) {
    std::vector<float> masks = ramp;
    masks.insert(masks.end(), 4, level);
    const auto labels = SegmentFromSoftMasks(masks, 2, 2, 2, 4, 4).map.labels;
    return std::vector<int>(labels.begin(), labels.begin() + 4);
  };
  EXPECT_THAT(first_row(0.001f), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(first_row(0.249f), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(first_row(0.251f), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(first_row(0.749f), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(first_row(0.751f), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(first_row(0.999f), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(first_row(1.001f), ElementsAre(1, 1, 1, 1));
}

TEST(SegmentFromSoftMasks, ResizesBeforeTheArgmax) {
  // Between two grid points that slots 0 and 1 win by a hair, slot 2 is best in the middle.
  const std::vector<float> masks = {0.5f,  0.0f,  //
                                    0.0f,  0.5f,  //
                                    0.45f, 0.45f};
  EXPECT_THAT(SegmentFromSoftMasks(masks, 3, 1, 2, 1, 8).map.labels,
              ElementsAre(0, 0, 2, 2, 2, 2, 1, 1));
}

TEST(SegmentFromSoftMasks, TiesGoToTheLowestSlot) {
  const std::vector<float> masks(size_t{4} * 3 * 3, 0.25f);
  const auto result = SegmentFromSoftMasks(masks, 4, 3, 3, 7, 9);
  EXPECT_THAT(result.map.labels, testing::Each(0));
  EXPECT_EQ(result.slots[0].area_px, 63);
  EXPECT_EQ(result.slots[0].confidence, 0.25);
  EXPECT_EQ(result.slots[1].area_px, 0);
  // Slot 2 beats 0 and 1; 3 only equals it.
  std::vector<float> two_best = {0.1f, 0.2f, 0.35f, 0.35f};
  EXPECT_THAT(SegmentFromSoftMasks(two_best, 4, 1, 1, 2, 2).map.labels, testing::Each(2));
}

TEST(SegmentFromSoftMasks, PermutingSlotsPermutesLabels) {
  const Case c = kCases[6];
  const auto masks = RandomMasks(c.slots, c.height, c.width, 3);
  const int plane = c.height * c.width;
  std::vector<float> reversed;
  for (int k = c.slots - 1; k >= 0; --k) {
    reversed.insert(reversed.end(), masks.begin() + k * plane, masks.begin() + (k + 1) * plane);
  }
  const auto a = SegmentFromSoftMasks(masks, c.slots, c.height, c.width, 30, 30);
  const auto b = SegmentFromSoftMasks(reversed, c.slots, c.height, c.width, 30, 30);
  for (size_t i = 0; i < a.map.labels.size(); ++i) {
    ASSERT_EQ(a.map.labels[i], c.slots - 1 - b.map.labels[i]);
  }
}

TEST(ResizeSoftMasks, GivesTheValuesThatTheArgmaxIsTakenOf) {
  const std::vector<float> square = {0, 1, 2, 3};
  const std::vector<float> grown = ResizeSoftMasks(square, 1, 2, 2, 4, 4);
  EXPECT_THAT(std::vector<float>(grown.begin(), grown.begin() + 4),
              ElementsAre(0.0f, 0.25f, 0.75f, 1.0f));
  for (const Case& c : kCases) {
    const auto masks = RandomMasks(c.slots, c.height, c.width, c.slots);
    const auto soft = ResizeSoftMasks(masks, c.slots, c.height, c.width, c.out_height, c.out_width);
    const auto hard =
        SegmentFromSoftMasks(masks, c.slots, c.height, c.width, c.out_height, c.out_width);
    const size_t plane = hard.map.labels.size();
    ASSERT_EQ(soft.size(), plane * c.slots);
    for (size_t i = 0; i < plane; ++i) {
      for (int k = 0; k < c.slots; ++k) {
        ASSERT_LE(soft[k * plane + i], soft[hard.map.labels[i] * plane + i]);
      }
    }
  }
}

}  // namespace
}  // namespace slotmatch
