#include "core/image/preprocess.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/pictures.h"
#include "tests/unit/image/plain_settings.h"

namespace slotmatch {
namespace {

using config::Preprocessing;

constexpr double kMean[] = {0.485, 0.456, 0.406};
constexpr double kStd[] = {0.229, 0.224, 0.225};

std::vector<float> Preprocessed(const Image& image, const Preprocessing& settings, int height,
                                int width) {
  std::vector<float> out(size_t{3} * height * width);
  Preprocess(image, settings, height, width, absl::MakeSpan(out));
  return out;
}

double PixelAt(const Image& image, int x, int y, int c) {
  x = std::clamp(x, 0, image.width - 1);
  y = std::clamp(y, 0, image.height - 1);
  return image.rgb[(static_cast<size_t>(y) * image.width + x) * 3 + c] / 255.0;
}

// Keys' cubic kernel with a = -0.75.
double Cubic(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  if (x < 2) return a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a;
  return 0;
}

// One output value straight from the definition: 4x4 taps around the source position.
double NaiveBicubic(const Image& image, int height, int width, int y, int x, int c) {
  const double from_y = (y + 0.5) * image.height / height - 0.5;
  const double from_x = (x + 0.5) * image.width / width - 0.5;
  const int top = static_cast<int>(std::floor(from_y)), left = static_cast<int>(std::floor(from_x));
  double sum = 0;
  for (int j = top - 1; j <= top + 2; ++j) {
    for (int i = left - 1; i <= left + 2; ++i) {
      sum += Cubic(from_y - j) * Cubic(from_x - i) * PixelAt(image, i, j, c);
    }
  }
  return std::clamp(sum, 0.0, 1.0);
}

Image Cropped(const Image& image, int left, int top, int width, int height) {
  Image part{width, height, {}};
  for (int y = 0; y < height; ++y) {
    const auto row = image.rgb.begin() + ((top + y) * image.width + left) * 3;
    part.rgb.insert(part.rgb.end(), row, row + width * 3);
  }
  return part;
}

TEST(Preprocess, BicubicStretchEqualsTheDefinition) {
  for (const auto& [width, height] : {std::pair{9, 7}, {31, 18}, {4, 40}, {1, 1}, {14, 10}}) {
    const Image image = MakePicture(width, height, 3);
    const std::vector<float> out = Preprocessed(image, Preprocessing(), 10, 14);
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 10; ++y) {
        for (int x = 0; x < 14; ++x) {
          const double expected = (NaiveBicubic(image, 10, 14, y, x, c) - kMean[c]) / kStd[c];
          ASSERT_NEAR(out[(c * 10 + y) * 14 + x], expected, 1e-4)
              << width << "x" << height << " at " << x << "," << y << " channel " << c;
        }
      }
    }
  }
}

TEST(Preprocess, SameSizeOnlyNormalises) {
  const Image image = MakePicture(6, 5);
  const std::vector<float> out = Preprocessed(image, PlainSettings(), 5, 6);
  for (int i = 0; i < 30; ++i) {
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(out[c * 30 + i], image.rgb[i * 3 + c] / 255.0, 1e-5);
  }
}

TEST(Preprocess, NormalisesWithTheSettingsMeanAndStd) {
  Preprocessing settings;
  for (const double mean : {0.1, 0.2, 0.3}) settings.add_mean(mean);
  for (const double std : {0.5, 0.25, 2.0}) settings.add_std(std);
  for (const auto interpolation : {Preprocessing::BICUBIC, Preprocessing::AREA}) {
    settings.set_interpolation(interpolation);
    const std::vector<float> out =
        Preprocessed(MakePlainPicture(5, 3, 255, 51, 102), settings, 4, 4);
    const double expected[] = {(1.0 - 0.1) / 0.5, (0.2 - 0.2) / 0.25, (0.4 - 0.3) / 2.0};
    for (int c = 0; c < 3; ++c) {
      for (int i = 0; i < 16; ++i) ASSERT_NEAR(out[c * 16 + i], expected[c], 1e-5);
    }
  }
}

TEST(Preprocess, ClampsTheOvershootOfEdges) {
  Image image = MakePlainPicture(8, 8, 0, 0, 0);
  for (size_t i = image.rgb.size() / 2; i < image.rgb.size(); ++i) image.rgb[i] = 255;
  const std::vector<float> out = Preprocessed(image, PlainSettings(), 21, 21);
  EXPECT_EQ(*std::min_element(out.begin(), out.end()), 0.0f);
  EXPECT_EQ(*std::max_element(out.begin(), out.end()), 1.0f);
}

TEST(Preprocess, CenterSquareIsAStretchOfTheCentre) {
  Preprocessing square = PlainSettings();
  square.set_geometry(Preprocessing::CENTER_SQUARE);
  for (const auto interpolation : {Preprocessing::BICUBIC, Preprocessing::AREA}) {
    Preprocessing stretch = PlainSettings();
    stretch.set_interpolation(interpolation);
    square.set_interpolation(interpolation);
    const Image wide = MakePicture(16, 10), tall = MakePicture(10, 16);
    EXPECT_EQ(Preprocessed(wide, square, 6, 6),
              Preprocessed(Cropped(wide, 3, 0, 10, 10), stretch, 6, 6));
    EXPECT_EQ(Preprocessed(tall, square, 6, 6),
              Preprocessed(Cropped(tall, 0, 3, 10, 10), stretch, 6, 6));
  }
}

TEST(Preprocess, AreaIsTheMeanOfTheSourcePixels) {
  Preprocessing settings = PlainSettings();
  settings.set_interpolation(Preprocessing::AREA);
  const Image image = MakePicture(12, 9);
  const std::vector<float> out = Preprocessed(image, settings, 3, 4);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < 4; ++x) {
        double sum = 0;
        for (int i = 0; i < 9; ++i) sum += PixelAt(image, x * 3 + i % 3, y * 3 + i / 3, c);
        EXPECT_NEAR(out[(c * 3 + y) * 4 + x], sum / 9, 0.51 / 255);  // rounded to 8 bits
      }
    }
  }
}

}  // namespace
}  // namespace slotmatch
