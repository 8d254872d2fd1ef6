#include "trainer/eval/boundary.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/trainer/eval/maps.h"

namespace slotmatch {
namespace {

// One label's boundary as it is defined: its pixels whose square leaves the mask.
std::vector<bool> SlowBoundary(const LabelMap& map, uint8_t label, int half) {
  std::vector<bool> result;
  const auto inside = [&](int y, int x) {
    return y >= 0 && x >= 0 && y < map.height && x < map.width &&
           map.labels[static_cast<size_t>(y) * map.width + x] == label;
  };
  for (int y = 0; y < map.height; ++y) {
    for (int x = 0; x < map.width; ++x) {
      bool kept = true;
      for (int v = y - half; v <= y + half; ++v) {
        for (int u = x - half; u <= x + half; ++u) kept = kept && inside(v, u);
      }
      result.push_back(inside(y, x) && !kept);
    }
  }
  return result;
}

// A few rectangles on label 0.
LabelMap Rectangles(int width, int height, int labels, unsigned seed) {
  std::mt19937 random(seed);
  LabelMap map{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height, 0)};
  for (int i = 0; i < 8; ++i) {
    const int top = static_cast<int>(random() % height), left = static_cast<int>(random() % width);
    for (int y = top; y < std::min<int>(height, top + height / 2); ++y) {
      for (int x = left; x < std::min<int>(width, left + width / 2); ++x) {
        map.labels[static_cast<size_t>(y) * width + x] = static_cast<uint8_t>(i % labels);
      }
    }
  }
  return map;
}

TEST(Boundaries, AreMaskMinusErodedMaskForEveryLabel) {
  // 30 x 40 has a diagonal of 50 and a half-width of 1; 90 x 120: 3; 75 x 100: 2.5, which is 2.
  const int sizes[][3] = {{40, 30, 1}, {120, 90, 3}, {100, 75, 2}, {3, 90, 2}, {1, 1, 1}};
  for (const auto& [width, height, half] : sizes) {
    const LabelMap map = Rectangles(width, height, 4, 5);
    const LabelMap boundaries = Boundaries(map, 9);
    for (uint8_t label = 0; label < 4; ++label) {
      const std::vector<bool> expected = SlowBoundary(map, label, half);
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(boundaries.labels[i] == label, expected[i])
            << width << " x " << height << " label " << int{label} << " pixel " << i;
      }
    }
  }
}

RegionAndBoundary Frame(const char* truth, const char* prediction, int num_slots) {
  Contingency pixels(num_slots), boundaries(num_slots);
  pixels.Add(Map(truth), Map(prediction));
  boundaries.Add(Boundaries(Map(truth), 0), Boundaries(Map(prediction), kNoSlot));
  RegionAndBoundary result(num_slots);
  result.AddFrame(pixels, boundaries);
  return result;
}

TEST(RegionAndBoundary, PerfectSlotsScoreOne) {
  const auto scores = Frame(kGtA, kGtA, 3).Match();
  EXPECT_EQ(scores->j_and_f, 1.0);
  EXPECT_EQ(scores->jaccard, 1.0);
  EXPECT_EQ(scores->boundary_f, 1.0);
}

// 4 x 4 pictures: the boundary is everything but the middle four pixels where labels are equal.
TEST(RegionAndBoundary, FComparesBoundaries) {
  // Object = left half, 8 pixels, all boundary. Slot 1 = left three columns, 12 pixels, of which
  // two in the middle of column 1 are inside.
  const auto scores = Frame("1100/1100/1100/1100", "1110/1110/1110/1110", 2).Match();
  const double precision = 6.0 / 10, recall = 6.0 / 8;
  EXPECT_DOUBLE_EQ(scores->jaccard, 8.0 / 12);
  EXPECT_DOUBLE_EQ(scores->boundary_f, 2 * precision * recall / (precision + recall));
  EXPECT_DOUBLE_EQ(scores->j_and_f, (scores->jaccard + scores->boundary_f) / 2);
}

TEST(RegionAndBoundary, FramesWithoutTheObjectCountZero) {
  RegionAndBoundary video = Frame(kGtD, kGtD, 2);
  video.Add(Frame(kAllZero, kAllZero, 2));
  EXPECT_DOUBLE_EQ(video.Match()->j_and_f, 0.5);
}

TEST(RegionAndBoundary, ASlotBelongsToOneObjectOfTheWholeVideo) {
  RegionAndBoundary video = Frame(kGtA, kGtA, 3);
  video.Add(Frame(kGtA, kSwapped, 3));
  EXPECT_DOUBLE_EQ(video.Match()->jaccard, 0.5);
  EXPECT_DOUBLE_EQ(Frame(kGtA, kAllZero, 1).Match()->jaccard, 0.125);  // one object is left over
}

TEST(RegionAndBoundary, NoObjectHasNoValue) {
  EXPECT_FALSE(Frame(kAllZero, kAllZero, 2).Match().has_value());
  EXPECT_FALSE(RegionAndBoundary(2).Match().has_value());
}

}  // namespace
}  // namespace slotmatch
