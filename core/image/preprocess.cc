#include "core/image/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "absl/types/span.h"

namespace slotmatch {
namespace {

constexpr std::array<float, 3> kImageNetMean = {0.485f, 0.456f, 0.406f};
constexpr std::array<float, 3> kImageNetStd = {0.229f, 0.224f, 0.225f};
constexpr float kCubicA = -0.75f;  // PyTorch's bicubic without antialias

// Part of the source that is seen.
struct Crop {
  int left, top, width, height;
};

Crop CropOf(int width, int height, config::Preprocessing::Geometry geometry) {
  if (geometry == config::Preprocessing::STRETCH) return {0, 0, width, height};
  const int side = std::min(width, height);
  // nearbyint rounds halves to even, as Python's round() in the reference.
  return {static_cast<int>(std::nearbyint((width - side) / 2.0)),
          static_cast<int>(std::nearbyint((height - side) / 2.0)), side, side};
}

// Four source positions and weights of one output position.
struct Taps {
  std::array<int, 4> index;
  std::array<float, 4> weight;
};

float CubicNear(float x) { return ((kCubicA + 2) * x - (kCubicA + 3)) * x * x + 1; }
float CubicFar(float x) {
  return ((kCubicA * x - 5 * kCubicA) * x + 8 * kCubicA) * x - 4 * kCubicA;
}

std::vector<Taps> CubicTaps(int in, int out) {
  std::vector<Taps> taps(out);
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int i = 0; i < out; ++i) {
    const float center = scale * (static_cast<float>(i) + 0.5f) - 0.5f;
    const float floor = std::floor(center);
    const float t = center - floor;
    taps[i].weight = {CubicFar(t + 1), CubicNear(t), CubicNear(1 - t), CubicFar(2 - t)};
    for (int k = 0; k < 4; ++k) {
      taps[i].index[k] = std::clamp(static_cast<int>(floor) - 1 + k, 0, in - 1);
    }
  }
  return taps;
}

struct Normalizer {
  std::array<float, 3> scale, offset;  // (clamped x) * scale + offset, x in [0, 1]
};

Normalizer NormalizerOf(const config::Preprocessing& settings) {
  Normalizer result{};
  for (int c = 0; c < 3; ++c) {
    const float mean = settings.mean_size() == 3 ? settings.mean(c) : kImageNetMean[c];
    const float std = settings.std_size() == 3 ? settings.std(c) : kImageNetStd[c];
    result.scale[c] = 1.0f / std;
    result.offset[c] = -mean / std;
  }
  return result;
}

// Rows first: only the four source rows that an output row needs are blended, then columns.
void ResizeCubic(const Image& image, const Crop& crop, int height, int width,
                 const Normalizer& normalizer, absl::Span<float> out) {
  const std::vector<Taps> rows = CubicTaps(crop.height, height);
  const std::vector<Taps> columns = CubicTaps(crop.width, width);
  const size_t stride = static_cast<size_t>(image.width) * 3;
  const int row_values = crop.width * 3;
  std::vector<float> blended(row_values);
  const size_t plane = static_cast<size_t>(height) * width;
  for (int y = 0; y < height; ++y) {
    std::array<const uint8_t*, 4> source;
    std::array<float, 4> weight;
    for (int k = 0; k < 4; ++k) {
      source[k] = image.rgb.data() + (crop.top + rows[y].index[k]) * stride + crop.left * 3;
      weight[k] = rows[y].weight[k] / 255.0f;
    }
    for (int x = 0; x < row_values; ++x) {
      blended[x] = weight[0] * source[0][x] + weight[1] * source[1][x] + weight[2] * source[2][x] +
                   weight[3] * source[3][x];
    }
    float* target = out.data() + static_cast<size_t>(y) * width;
    for (int x = 0; x < width; ++x) {
      const Taps& taps = columns[x];
      for (int c = 0; c < 3; ++c) {
        float value = 0;
        for (int k = 0; k < 4; ++k) value += taps.weight[k] * blended[taps.index[k] * 3 + c];
        value = std::clamp(value, 0.0f, 1.0f);
        target[c * plane + x] = value * normalizer.scale[c] + normalizer.offset[c];
      }
    }
  }
}

void ResizeArea(const Image& image, const Crop& crop, int height, int width,
                const Normalizer& normalizer, absl::Span<float> out) {
  const cv::Mat whole(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  const cv::Mat seen = whole(cv::Rect(crop.left, crop.top, crop.width, crop.height));
  const bool shrinks = crop.width > width || crop.height > height;
  cv::Mat resized;
  cv::resize(seen, resized, cv::Size(width, height), 0, 0,
             shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  const size_t plane = static_cast<size_t>(height) * width;
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = resized.ptr(y);
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const float value = static_cast<float>(row[x * 3 + c]) / 255.0f;
        out[c * plane + static_cast<size_t>(y) * width + x] =
            value * normalizer.scale[c] + normalizer.offset[c];
      }
    }
  }
}

}  // namespace

void Preprocess(const Image& image, const config::Preprocessing& settings, int height_px,
                int width_px, absl::Span<float> out) {
  const Crop crop = CropOf(image.width, image.height, settings.geometry());
  const Normalizer normalizer = NormalizerOf(settings);
  if (settings.interpolation() == config::Preprocessing::BICUBIC) {
    ResizeCubic(image, crop, height_px, width_px, normalizer, out);
  } else {
    ResizeArea(image, crop, height_px, width_px, normalizer, out);
  }
}

std::vector<uint8_t> ResizeLabels(const std::vector<uint8_t>& labels, int width, int height,
                                  config::Preprocessing::Geometry geometry, int out_width,
                                  int out_height) {
  const Crop crop = CropOf(width, height, geometry);
  std::vector<uint8_t> result(static_cast<size_t>(out_width) * out_height);
  for (int y = 0; y < out_height; ++y) {
    const int from_y =
        std::min(static_cast<int>((y + 0.5f) * (static_cast<float>(crop.height) / out_height)),
                 crop.height - 1);
    for (int x = 0; x < out_width; ++x) {
      const int from_x =
          std::min(static_cast<int>((x + 0.5f) * (static_cast<float>(crop.width) / out_width)),
                   crop.width - 1);
      result[static_cast<size_t>(y) * out_width + x] =
          labels[static_cast<size_t>(crop.top + from_y) * width + crop.left + from_x];
    }
  }
  return result;
}

}  // namespace slotmatch
