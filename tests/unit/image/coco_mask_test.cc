#include "core/image/coco_mask.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

constexpr int kHeight = 8, kWidth = 10;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

// Rows of '.' and '#'.
std::string Drawn(const std::vector<uint8_t>& mask) {
  std::string text;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) text += mask[y * kWidth + x] != 0 ? '#' : '.';
    text += '\n';
  }
  return text;
}

std::string Polygon(const std::vector<double>& xy) {
  std::vector<uint8_t> mask(kHeight * kWidth);
  EXPECT_THAT(PaintPolygon(xy, kHeight, kWidth, absl::MakeSpan(mask)), IsOk());
  return Drawn(mask);
}

std::string Compressed(const std::string& text) {
  std::vector<uint8_t> mask(kHeight * kWidth);
  EXPECT_THAT(PaintCompressedRuns(text, kHeight, kWidth, absl::MakeSpan(mask)), IsOk());
  return Drawn(mask);
}

// The pictures are pycocotools' own.
TEST(PaintPolygon, EqualsPycocotools) {
  EXPECT_EQ(Polygon({1.0, 1.0, 8.5, 1.2, 7.9, 6.6, 2.1, 5.4}),
            "..........\n.########.\n.#######..\n..######..\n..######..\n...#####..\n"
            "..........\n..........\n");
  EXPECT_EQ(Polygon({4.2, 0.3, 4.9, 6.9, 4.1, 3.0}),
            "..........\n..........\n..........\n....#.....\n..........\n..........\n"
            "..........\n..........\n");
}

TEST(PaintPolygon, IsCutAtTheFramesEdges) {
  EXPECT_EQ(Polygon({-3.2, 2.0, 5.0, -2.5, 12.7, 4.4, 4.0, 11.0}),
            "########..\n##########\n##########\n##########\n##########\n##########\n"
            ".#########\n.########.\n");
}

TEST(PaintPolygon, TakesRepeatedPoints) {
  EXPECT_EQ(Polygon({2.5, 2.5, 2.5, 2.5, 6.5, 2.5, 6.5, 5.5, 2.5, 2.5}),
            "..........\n..........\n..........\n....###...\n.....##...\n..........\n"
            "..........\n..........\n");
}

TEST(PaintPolygon, AreaBelowAPixelIsEmpty) {
  EXPECT_EQ(Polygon({3.3, 3.3, 3.4, 3.3, 3.4, 3.4}).find('#'), std::string::npos);
}

TEST(PaintPolygon, RefusesWhatIsNone) {
  std::vector<uint8_t> mask(kHeight * kWidth);
  const auto paint = [&](const std::vector<double>& xy) {
    return PaintPolygon(xy, kHeight, kWidth, absl::MakeSpan(mask));
  };
  EXPECT_THAT(paint({1, 1, 5, 5, 1}), FailsWith(kDataLoss, "x and y come in pairs"));
  EXPECT_THAT(paint({1, 1, 5, 5}), FailsWith(kDataLoss, "three are needed"));
  EXPECT_THAT(paint({1, 1, 5, std::numeric_limits<double>::quiet_NaN(), 3, 3}),
              FailsWith(kDataLoss, "is no pixel"));
  EXPECT_THAT(paint({1, 1, 5, 1e300, 3, 3}), FailsWith(kDataLoss, "is no pixel"));
  std::vector<double> zigzag;
  for (int i = 0; i < 100; ++i) zigzag.insert(zigzag.end(), {i % 2 == 0 ? -1e6 : 1e6, 1.0});
  EXPECT_THAT(paint(zigzag), FailsWith(kDataLoss, "outline is too long"));
}

TEST(PaintCompressedRuns, EqualsPycocotools) {
  EXPECT_EQ(Compressed("01i03[OMM13200e0M"),
            "#.........\n..........\n...####...\n...#.##...\n...####...\n...####...\n"
            "..........\n.........#\n");
  EXPECT_EQ(Compressed("062b1O_N0O0"), Polygon({-3.2, 2.0, 5.0, -2.5, 12.7, 4.4, 4.0, 11.0}));
}

TEST(PaintCompressedRuns, RefusesDamage) {
  std::vector<uint8_t> mask(kHeight * kWidth);
  const auto paint = [&](const std::string& text) {
    return PaintCompressedRuns(text, kHeight, kWidth, absl::MakeSpan(mask));
  };
  EXPECT_THAT(paint("01i03[OMM13200e0"), FailsWith(kDataLoss, "mask runs fill"));
  EXPECT_THAT(paint("01i0 "), FailsWith(kDataLoss, "damaged at character 4"));
  EXPECT_THAT(paint("o"), FailsWith(kDataLoss, "damaged at character 1"));
  EXPECT_THAT(paint(std::string(100, 'o')), FailsWith(kDataLoss, "damaged at character 9"));
  EXPECT_THAT(paint("O"), FailsWith(kDataLoss, "of length -1"));
  EXPECT_THAT(paint("oooooooo1"), FailsWith(kDataLoss, "does not fit 10x8"));
  EXPECT_THAT(paint(""), FailsWith(kDataLoss, "mask runs fill 0 of 80 pixels"));
}

TEST(PaintRuns, GoesDownTheColumns) {
  std::vector<uint8_t> mask(6);
  ASSERT_THAT(PaintRuns({1, 2, 3}, 2, 3, absl::MakeSpan(mask)), IsOk());
  EXPECT_EQ(mask, (std::vector<uint8_t>{0, 1, 0, 1, 0, 0}));
}

TEST(PaintRuns, MustFillTheFrame) {
  std::vector<uint8_t> mask(6);
  EXPECT_THAT(PaintRuns({1, 2, 2}, 2, 3, absl::MakeSpan(mask)),
              FailsWith(kDataLoss, "mask runs fill 5 of 6 pixels"));
  EXPECT_THAT(PaintRuns({1, 6}, 2, 3, absl::MakeSpan(mask)),
              FailsWith(kDataLoss, "mask run 1 of length 6 does not fit 3x2"));
  EXPECT_THAT(PaintRuns({-1, 7}, 2, 3, absl::MakeSpan(mask)), FailsWith(kDataLoss, "length -1"));
}

TEST(EncodeCompressedRuns, GivesBackEverySlotsMask) {
  std::mt19937 random(3);
  for (const int longest : {1, 3, 40}) {  // from noise to large regions
    LabelMap map{kWidth, kHeight, {}};
    while (map.labels.size() < kHeight * kWidth) {
      const uint8_t label = random() % 4 == 3 ? 255 : random() % 3;
      map.labels.insert(map.labels.end(), 1 + random() % longest, label);
    }
    map.labels.resize(kHeight * kWidth);
    const std::vector<std::string> texts = EncodeCompressedRuns(map, 4);  // slot 3 is empty
    ASSERT_EQ(texts.size(), 4u);
    for (int slot = 0; slot < 4; ++slot) {
      std::vector<uint8_t> mask(kHeight * kWidth), wanted;
      for (const uint8_t label : map.labels) wanted.push_back(label == slot);
      ASSERT_THAT(PaintCompressedRuns(texts[slot], kHeight, kWidth, absl::MakeSpan(mask)), IsOk());
      EXPECT_EQ(mask, wanted) << "slot " << slot;
    }
  }
}

// pycocotools' own texts: encode(np.asfortranarray(mask)).
TEST(EncodeCompressedRuns, EqualsPycocotools) {
  LabelMap map{40, 30, std::vector<uint8_t>(1200, 1)};
  for (int y = 5; y < 20; ++y) {
    for (int x = 10; x < 35; ++x) map.labels[y * 40 + x] = 0;
  }
  const std::vector<std::string> texts = EncodeCompressedRuns(map, 3);
  EXPECT_EQ(texts[0], "a9??00000000000000000000000000000000000000000000000a4");
  EXPECT_EQ(texts[1], "0a9?nF00000000000000000000000000000000000000000000000a4");
  EXPECT_EQ(texts[2], "`U1");
}

}  // namespace
}  // namespace slotmatch
