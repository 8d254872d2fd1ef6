#include "core/image/mask_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/image/image.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

constexpr StatusCode kLoss = StatusCode::kDataLoss;

// Blobs of a few labels: runs of every length from one to thousands.
LabelMap RandomMap(int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  LabelMap map{width, height, {}};
  while (map.labels.size() < static_cast<size_t>(width) * height) {
    const size_t run = std::min<size_t>(size_t{1} << random() % 12,
                                        static_cast<size_t>(width) * height - map.labels.size());
    map.labels.insert(map.labels.end(), run, static_cast<uint8_t>(random() % 256));
  }
  return map;
}

void ExpectSame(const absl::StatusOr<LabelMap>& actual, const LabelMap& expected) {
  ASSERT_THAT(actual, IsOk());
  EXPECT_EQ(actual->width, expected.width);
  EXPECT_EQ(actual->height, expected.height);
  EXPECT_EQ(actual->labels, expected.labels);
}

TEST(IndexRle, RoundTrips) {
  for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {128, 64}, {1, 300}, {300, 1}}) {
    const LabelMap map = RandomMap(width, height, width + height);
    ExpectSame(DecodeIndexRle(EncodeIndexRle(map), width, height), map);
  }
}

TEST(IndexRle, IsLabelThenVarintOfTheRun) {
  const LabelMap map{100, 3, std::vector<uint8_t>(300, 7)};
  EXPECT_EQ(EncodeIndexRle(map), std::string("\x07\xAC\x02", 3));
  const LabelMap rows{2, 2, {1, 1, 1, 255}};  // runs cross rows
  EXPECT_EQ(EncodeIndexRle(rows), std::string("\x01\x03\xFF\x01", 4));
}

TEST(IndexRle, RunsThatDoNotFillTheMapAreDataLoss) {
  EXPECT_THAT(DecodeIndexRle("", 2, 2), FailsWith(kLoss, "0 of 4"));
  EXPECT_THAT(DecodeIndexRle(std::string("\x01\x03", 2), 2, 2), FailsWith(kLoss, "3 of 4"));
  EXPECT_THAT(DecodeIndexRle(std::string("\x01\x05", 2), 2, 2), FailsWith(kLoss, "2x2"));
  EXPECT_THAT(DecodeIndexRle(std::string("\x01\x04\x02\x01", 4), 2, 2), FailsWith(kLoss, "2x2"));
  EXPECT_THAT(DecodeIndexRle(std::string("\x01\x00\x01\x04", 4), 2, 2), FailsWith(kLoss, "2x2"));
}

TEST(IndexRle, DamagedVarintsAreDataLoss) {
  EXPECT_THAT(DecodeIndexRle(std::string("\x01", 1), 2, 2), FailsWith(kLoss, "2x2"));
  EXPECT_THAT(DecodeIndexRle(std::string("\x01\x84", 2), 2, 2), FailsWith(kLoss, "2x2"));
  EXPECT_THAT(DecodeIndexRle(std::string(1, '\x01') + std::string(20, '\xFF'), 2, 2),
              FailsWith(kLoss, "2x2"));
  // 2^64 - 1 pixels, and a run whose sum with the first wraps around to 4.
  const std::string most = std::string(9, '\xFF') + "\x01";
  EXPECT_THAT(DecodeIndexRle("\x01" + most, 2, 2), FailsWith(kLoss, "2x2"));
  EXPECT_THAT(
      DecodeIndexRle(std::string("\x01\x01\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 13), 2, 2),
      FailsWith(kLoss, "2x2"));
}

TEST(IndexRle, ImpossibleSizesAreDataLossWithoutMemory) {
  const std::string run("\x01\x04", 2);
  EXPECT_THAT(DecodeIndexRle(run, -2, -2), FailsWith(kLoss, "-2x-2"));
  EXPECT_THAT(DecodeIndexRle(run, -1, 4), FailsWith(kLoss, "-1x4"));
  EXPECT_THAT(DecodeIndexRle("", 0, 0), FailsWith(kLoss, "0x0"));
  EXPECT_THAT(DecodeIndexRle(run, 0x7fffffff, 0x7fffffff), FailsWith(kLoss, "2147483647"));
}

TEST(PalettePng, RoundTrips) {
  for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {64, 33}}) {
    const LabelMap map = RandomMap(width, height, width * height);
    ExpectSame(DecodePalettePng(EncodePalettePng(map)), map);
  }
}

TEST(PalettePng, AnyDecoderSeesThePaletteColours) {
  const LabelMap map{4, 2, {0, 1, 2, 3, 4, 8, 254, 255}};
  const Image image = DecodeImage(EncodePalettePng(map), ImageLimits()).value();
  for (size_t i = 0; i < map.labels.size(); ++i) {
    const Rgb color = PaletteColor(map.labels[i]);
    EXPECT_EQ(image.rgb[i * 3], color.r) << i;
    EXPECT_EQ(image.rgb[i * 3 + 1], color.g) << i;
    EXPECT_EQ(image.rgb[i * 3 + 2], color.b) << i;
  }
}

TEST(PalettePng, OtherPicturesAreRefused) {
  EXPECT_THAT(DecodePalettePng(""), FailsWith(kLoss, "PNG"));
  EXPECT_THAT(DecodePalettePng("not a picture"), FailsWith(kLoss, "PNG"));
  EXPECT_THAT(DecodePalettePng(PngBytes(MakePicture(4, 4))), FailsWith(kLoss, "one-channel"));
  EXPECT_THAT(DecodePalettePng(JpegBytes(MakePicture(4, 4))), FailsWith(kLoss, "PNG"));
  EXPECT_THAT(DecodePalettePng(PngHeaderBytes(100000, 100000)), FailsWith(kLoss, "PNG"));
}

TEST(PalettePng, CutAndDamagedFilesNeverCrash) {
  const LabelMap map = RandomMap(32, 32, 5);
  const std::string png = EncodePalettePng(map);
  for (size_t size = 0; size < png.size() - 40; ++size) {
    ASSERT_FALSE(DecodePalettePng(png.substr(0, size)).ok()) << size << " of " << png.size();
  }
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = png;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto decoded = DecodePalettePng(damaged);
    if (decoded.ok()) {
      ASSERT_EQ(decoded->labels.size(), size_t{1} * decoded->width * decoded->height);
    }
  }
}

// Colours of the PASCAL VOC palette, which users' tools know: they may never change.
TEST(PaletteColor, IsThatOfPascalVoc) {
  const struct {
    int label, r, g, b;
  } rows[] = {{0, 0, 0, 0},     {1, 128, 0, 0},      {2, 0, 128, 0}, {3, 128, 128, 0},
              {4, 0, 0, 128},   {7, 128, 128, 128},  {8, 64, 0, 0},  {15, 192, 128, 128},
              {20, 0, 64, 128}, {255, 224, 224, 192}};
  for (const auto& row : rows) {
    const Rgb color = PaletteColor(row.label);
    EXPECT_EQ(color.r, row.r) << row.label;
    EXPECT_EQ(color.g, row.g) << row.label;
    EXPECT_EQ(color.b, row.b) << row.label;
  }
}

}  // namespace
}  // namespace slotmatch
