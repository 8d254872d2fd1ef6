#include "core/image/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
const ImageLimits kLimits;

// `jpeg` with another size in its frame header (SOF0).
std::string WithJpegSize(std::string jpeg, int width, int height) {
  const size_t at = jpeg.find(std::string("\xFF\xC0", 2));
  const int values[] = {height >> 8, height & 255, width >> 8, width & 255};
  for (int i = 0; i < 4; ++i) jpeg[at + 5 + i] = static_cast<char>(values[i]);
  return jpeg;
}

TEST(DecodeImage, PngIsExact) {
  const Image picture = MakePicture(13, 7);
  const Image decoded = DecodeImage(PngBytes(picture), kLimits).value();
  EXPECT_EQ(decoded.width, 13);
  EXPECT_EQ(decoded.height, 7);
  EXPECT_EQ(decoded.rgb, picture.rgb);
}

TEST(DecodeImage, JpegIsCloseAndItsChannelsAreRgb) {
  const Image decoded =
      DecodeImage(JpegBytes(MakePlainPicture(16, 9, 200, 100, 20)), kLimits).value();
  ASSERT_EQ(decoded.rgb.size(), 16u * 9 * 3);
  EXPECT_EQ(decoded.width, 16);
  for (size_t i = 0; i < decoded.rgb.size(); i += 3) {
    ASSERT_NEAR(decoded.rgb[i], 200, 4);
    ASSERT_NEAR(decoded.rgb[i + 1], 100, 4);
    ASSERT_NEAR(decoded.rgb[i + 2], 20, 4);
  }
}

TEST(DecodeImage, NoBytesAreInvalid) {
  EXPECT_THAT(DecodeImage("", kLimits), FailsWith(kInvalid, "0 bytes"));
}

TEST(DecodeImage, OtherBytesAreInvalid) {
  for (const std::string& bytes :
       {std::string("hello, this is no image"), std::string("GIF89a\1\0\1\0\0\0\0;", 14),
        std::string("BM\0\0\0\0\0\0", 8), std::string("RIFF\0\0\0\0WEBPVP8 ", 16),
        std::string(1000, '\0'), std::string("\xFF"), std::string("\x89PNG")}) {
    EXPECT_THAT(DecodeImage(bytes, kLimits), FailsWith(kInvalid, "neither a JPEG nor a PNG"));
  }
}

TEST(DecodeImage, SidesOf40000PixelsAreRefusedByTheHeader) {
  EXPECT_THAT(DecodeImage(PngHeaderBytes(40000, 8), kLimits),
              AllOf(FailsWith(kInvalid, "40000x8"), FailsWith(kInvalid, "16384")));
  EXPECT_THAT(DecodeImage(PngHeaderBytes(8, 40000), kLimits), FailsWith(kInvalid, "8x40000"));
  EXPECT_THAT(DecodeImage(WithJpegSize(JpegBytes(MakePicture(16, 16)), 40000, 40000), kLimits),
              FailsWith(kInvalid, "40000x40000"));
}

TEST(DecodeImage, DecompressionBombsAreRefusedByTheHeader) {
  EXPECT_THAT(DecodeImage(PngHeaderBytes(16000, 16000), kLimits), FailsWith(kInvalid, "33177600"));
  EXPECT_THAT(DecodeImage(PngHeaderBytes(0x7fffffff, 0x7fffffff), kLimits),
              FailsWith(kInvalid, "accepted"));
  EXPECT_THAT(DecodeImage(PngHeaderBytes(0xffffffff, 1), kLimits), FailsWith(kInvalid, "size"));
  EXPECT_THAT(DecodeImage(PngHeaderBytes(0, 5), kLimits), FailsWith(kInvalid, "size"));
}

TEST(DecodeImage, LimitsAreInclusive) {
  const std::string png = PngBytes(MakePicture(20, 10));
  EXPECT_THAT(DecodeImage(png, {200, 20}), IsOk());
  EXPECT_THAT(DecodeImage(png, {199, 20}), FailsWith(kInvalid, "199"));
  EXPECT_THAT(DecodeImage(png, {200, 19}), FailsWith(kInvalid, "19"));
}

TEST(DecodeImage, HeaderWithoutPixelsIsDataLoss) {
  EXPECT_THAT(DecodeImage(PngHeaderBytes(64, 64), kLimits),
              FailsWith(StatusCode::kDataLoss, "PNG"));
}

TEST(DecodeImage, CutFilesAreErrorsAtEveryLength) {
  const std::string png = PngBytes(MakePicture(24, 24)), jpeg = JpegBytes(MakePicture(24, 24));
  for (size_t size = 0; size + 12 < png.size(); ++size) {  // the last 12 bytes are an empty chunk
    ASSERT_FALSE(DecodeImage(png.substr(0, size), kLimits).ok()) << size << " of " << png.size();
  }
  for (size_t size = 0; size < jpeg.size(); ++size) {
    ASSERT_FALSE(DecodeImage(jpeg.substr(0, size), kLimits).ok()) << size << " of " << jpeg.size();
  }
}

TEST(DecodeImage, DamagedBytesNeverCrash) {
  srand(1);
  for (std::string bytes : {PngBytes(MakePicture(24, 24)), JpegBytes(MakePicture(24, 24))}) {
    for (int round = 0; round < 300; ++round) {
      std::string damaged = bytes;
      for (int i = 0; i < 3; ++i) damaged[rand() % damaged.size()] = static_cast<char>(rand());
      const auto image = DecodeImage(damaged, {10000, 200});
      if (image.ok()) {
        ASSERT_EQ(image->rgb.size(), size_t{3} * image->width * image->height);
      }
    }
  }
}

TEST(ProbeImage, ReadsFormatAndSizeOnly) {
  const EncodedInfo png = ProbeImage(PngHeaderBytes(40000, 30000)).value();
  EXPECT_EQ(png.format, EncodedInfo::Format::kPng);
  EXPECT_EQ(png.width, 40000);
  EXPECT_EQ(png.height, 30000);
  const EncodedInfo jpeg = ProbeImage(JpegBytes(MakePicture(33, 17))).value();
  EXPECT_EQ(jpeg.format, EncodedInfo::Format::kJpeg);
  EXPECT_EQ(jpeg.width, 33);
  EXPECT_EQ(jpeg.height, 17);
}

TEST(ProbeImage, JpegWithoutAFrameHeaderIsInvalid) {
  EXPECT_THAT(ProbeImage(std::string("\xFF\xD8\xFF\xD9", 4)), FailsWith(kInvalid, "header"));
  EXPECT_THAT(ProbeImage(std::string("\xFF\xD8") + std::string(500, '\xFF')),
              FailsWith(kInvalid, "header"));
  EXPECT_THAT(ProbeImage(std::string("\xFF\xD8\xFF\xE0\0\0\xFF\xE0\0\0", 10)),
              FailsWith(kInvalid, "header"));
}

TEST(ImageFromRaw, ConvertsEveryFormatToRgb) {
  const std::string pixels("\x01\x02\x03\x04\x05\x06", 6);
  EXPECT_THAT(ImageFromRaw(RawFormat::kRgb8, 2, 1, pixels, kLimits)->rgb,
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(ImageFromRaw(RawFormat::kBgr8, 1, 2, pixels, kLimits)->rgb,
              ElementsAre(3, 2, 1, 6, 5, 4));
  const Image gray = ImageFromRaw(RawFormat::kGray8, 3, 2, pixels, kLimits).value();
  EXPECT_EQ(gray.width, 3);
  EXPECT_EQ(gray.height, 2);
  EXPECT_THAT(std::vector<uint8_t>(gray.rgb.begin(), gray.rgb.begin() + 6),
              ElementsAre(1, 1, 1, 2, 2, 2));
}

TEST(ImageFromRaw, LengthMustFitTheSize) {
  for (const size_t size : {size_t{0}, size_t{11}, size_t{13}, size_t{4}}) {
    EXPECT_THAT(ImageFromRaw(RawFormat::kRgb8, 2, 2, std::string(size, 'x'), kLimits),
                FailsWith(kInvalid, "12 bytes"));
  }
}

TEST(ImageFromRaw, ImpossibleSizesAreRefused) {
  constexpr int64_t kHuge = std::numeric_limits<uint32_t>::max();
  EXPECT_THAT(ImageFromRaw(RawFormat::kRgb8, 0, 0, "", kLimits), FailsWith(kInvalid, "0x0"));
  EXPECT_THAT(ImageFromRaw(RawFormat::kRgb8, -1, 2, "", kLimits), FailsWith(kInvalid, "-1"));
  EXPECT_THAT(ImageFromRaw(RawFormat::kGray8, kHuge, kHuge, "x", kLimits),
              FailsWith(kInvalid, "accepted"));
  EXPECT_THAT(ImageFromRaw(RawFormat::kGray8, 10, 10, std::string(100, 'x'), {99, 100}),
              FailsWith(kInvalid, "99"));
}

// Luma, Cb and Cr of BT.601's red, green, blue and white, limited range.
TEST(ImageFromRaw, ConvertsHalfChroma) {
  struct Row {
    uint8_t luma, cb, cr;
    std::vector<int> rgb;
  };
  for (const Row& row : {Row{82, 90, 240, {255, 0, 0}}, Row{145, 54, 34, {0, 255, 0}},
                         Row{41, 240, 110, {0, 0, 255}}, Row{235, 128, 128, {255, 255, 255}}}) {
    const std::string luma(8, static_cast<char>(row.luma));
    const char cb = static_cast<char>(row.cb), cr = static_cast<char>(row.cr);
    const std::string nv12 = luma + std::string{cb, cr, cb, cr};
    const std::string i420 = luma + std::string{cb, cb, cr, cr};
    const Image image = ImageFromRaw(RawFormat::kNv12, 4, 2, nv12, kLimits).value();
    EXPECT_EQ(image.rgb, ImageFromRaw(RawFormat::kI420, 4, 2, i420, kLimits)->rgb);
    ASSERT_EQ(image.rgb.size(), 24u);
    for (size_t i = 0; i < image.rgb.size(); ++i) EXPECT_NEAR(image.rgb[i], row.rgb[i % 3], 2);
  }
}

TEST(ImageFromRaw, HalfChromaNeedsEvenSides) {
  for (const RawFormat format : {RawFormat::kNv12, RawFormat::kI420}) {
    EXPECT_THAT(ImageFromRaw(format, 3, 2, std::string(9, 'x'), kLimits),
                FailsWith(kInvalid, "both must be even"));
    EXPECT_THAT(ImageFromRaw(format, 2, 3, std::string(9, 'x'), kLimits),
                FailsWith(kInvalid, "both must be even"));
    EXPECT_THAT(ImageFromRaw(format, 2, 2, std::string(12, 'x'), kLimits),
                FailsWith(kInvalid, "6 bytes"));
  }
}

}  // namespace
}  // namespace slotmatch
