#include "core/image/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace slotmatch {
namespace {

constexpr std::array<float, 3> kImageNetMean = {0.485f, 0.456f, 0.406f};
constexpr std::array<float, 3> kImageNetStd = {0.229f, 0.224f, 0.225f};
constexpr float kCubicA = -0.75f;  // PyTorch's bicubic without antialias
constexpr int kCropAttempts = 10;

// nearbyint rounds halves to even, as Python's round() in the reference.
int CenterOffset(int whole, int part) {
  return static_cast<int>(std::nearbyint((whole - part) / 2.0));
}

PixelBox Whole(PixelSize size) { return {0, 0, size.height, size.width}; }

PixelBox CentralBox(PixelSize in, int height, int width) {
  return {CenterOffset(in.height, height), CenterOffset(in.width, width), height, width};
}

// A whole number in [0, limit].
int Draw(int limit, const std::function<double()>& uniform) {
  return std::min(limit, static_cast<int>(uniform() * (limit + 1)));
}

// torchvision's RandomResizedCrop.get_params.
PixelBox RandomBox(const config::RandomCrop& crop, PixelSize in,
                   const std::function<double()>& uniform) {
  const double area = static_cast<double>(in.width) * in.height;
  const double low = std::log(crop.min_aspect()), high = std::log(crop.max_aspect());
  for (int attempt = 0; attempt < kCropAttempts; ++attempt) {
    const double share = crop.min_area() + uniform() * (crop.max_area() - crop.min_area());
    const double aspect = std::exp(low + uniform() * (high - low));
    const int width = static_cast<int>(std::nearbyint(std::sqrt(area * share * aspect)));
    const int height = static_cast<int>(std::nearbyint(std::sqrt(area * share / aspect)));
    if (width < 1 || height < 1 || width > in.width || height > in.height) continue;
    const int top = Draw(in.height - height, uniform);
    return {top, Draw(in.width - width, uniform), height, width};
  }
  const double aspect = static_cast<double>(in.width) / in.height;
  int width = in.width, height = in.height;
  if (aspect < crop.min_aspect()) {
    height = std::min(height, static_cast<int>(std::nearbyint(width / crop.min_aspect())));
  } else if (aspect > crop.max_aspect()) {
    width = std::min(width, static_cast<int>(std::nearbyint(height * crop.max_aspect())));
  }
  return {(in.height - height) / 2, (in.width - width) / 2, height, width};
}

// Four source positions and weights of one output position.
struct Taps {
  std::array<int, 4> index;
  std::array<float, 4> weight;
};

// Keys' kernel, rounded as PyTorch's build rounds it: with fused multiply-adds.
float CubicNear(float x) { return std::fma(std::fma(kCubicA + 2, x, -(kCubicA + 3)) * x, x, 1.0f); }
float CubicFar(float x) {
  return std::fma(std::fma(std::fma(kCubicA, x, -5 * kCubicA), x, 8 * kCubicA), x, -4 * kCubicA);
}

// Taps of positions first .. first + count - 1 of `in` positions resized to `out`. As in PyTorch
// the scale is rounded to float and the position is not.
std::vector<Taps> CubicTaps(int in, int out, int first, int count) {
  std::vector<Taps> taps(count);
  const double scale = static_cast<float>(in) / static_cast<float>(out);
  for (int i = 0; i < count; ++i) {
    const double center = scale * (first + i + 0.5) - 0.5;
    const double floor = std::floor(center);
    const auto t = static_cast<float>(center - floor);
    taps[i].weight = {CubicFar(t + 1), CubicNear(t), CubicNear(1 - t), CubicFar((1 - t) + 1)};
    for (int k = 0; k < 4; ++k) {
      taps[i].index[k] = std::clamp(static_cast<int>(floor) - 1 + k, 0, in - 1);
    }
  }
  return taps;
}

// Source positions of first .. first + count - 1, nearest-exact.
std::vector<int> NearestIndices(int in, int out, int first, int count) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<int> indices(count);
  for (int i = 0; i < count; ++i) {
    indices[i] = std::min(static_cast<int>((static_cast<float>(first + i) + 0.5f) * scale), in - 1);
  }
  return indices;
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
void ResizeCubic(const Image& image, const FrameTransform& plan, const Normalizer& normalizer,
                 absl::Span<float> out) {
  const int height = plan.window.height, width = plan.window.width;
  const std::vector<Taps> rows =
      CubicTaps(plan.source.height, plan.resized.height, plan.window.top, height);
  std::vector<Taps> columns =
      CubicTaps(plan.source.width, plan.resized.width, plan.window.left, width);
  if (plan.flip) std::reverse(columns.begin(), columns.end());
  const size_t stride = static_cast<size_t>(image.width) * 3;
  const int row_values = plan.source.width * 3;
  std::vector<float> blended(row_values);
  const size_t plane = static_cast<size_t>(height) * width;
  for (int y = 0; y < height; ++y) {
    std::array<const uint8_t*, 4> source;
    std::array<float, 4> weight;
    for (int k = 0; k < 4; ++k) {
      source[k] = image.rgb.data() + (plan.source.top + rows[y].index[k]) * stride +
                  static_cast<size_t>(plan.source.left) * 3;
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

// The part of the source that `window` shows, to the nearest pixel.
cv::Rect SeenBy(const FrameTransform& plan) {
  const auto map = [](int position, int in, int out) {
    return static_cast<int>(std::nearbyint(static_cast<double>(position) * in / out));
  };
  const int in_width = plan.source.width, out_width = plan.resized.width;
  const int in_height = plan.source.height, out_height = plan.resized.height;
  const int left = std::min(map(plan.window.left, in_width, out_width), in_width - 1);
  const int top = std::min(map(plan.window.top, in_height, out_height), in_height - 1);
  const int right = map(plan.window.left + plan.window.width, in_width, out_width);
  const int bottom = map(plan.window.top + plan.window.height, in_height, out_height);
  return {plan.source.left + left, plan.source.top + top, std::max(1, right - left),
          std::max(1, bottom - top)};
}

void ResizeArea(const Image& image, const FrameTransform& plan, const Normalizer& normalizer,
                absl::Span<float> out) {
  const int height = plan.window.height, width = plan.window.width;
  const cv::Mat whole(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  const cv::Mat seen = whole(SeenBy(plan));
  const bool shrinks = seen.cols > width || seen.rows > height;
  cv::Mat resized;
  cv::resize(seen, resized, cv::Size(width, height), 0, 0,
             shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  const size_t plane = static_cast<size_t>(height) * width;
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = resized.ptr(y);
    for (int x = 0; x < width; ++x) {
      const int from = plan.flip ? width - 1 - x : x;
      for (int c = 0; c < 3; ++c) {
        const float value = static_cast<float>(row[from * 3 + c]) / 255.0f;
        out[c * plane + static_cast<size_t>(y) * width + x] =
            value * normalizer.scale[c] + normalizer.offset[c];
      }
    }
  }
}

}  // namespace

FrameTransform PlanResizedCrop(const PixelBox& box, PixelSize out) {
  return {box, out, Whole(out), false};
}

PixelSize CoveringSize(PixelSize in, PixelSize out) {
  PixelSize size = out;
  if (int64_t{in.width} * out.height >= int64_t{in.height} * out.width) {
    size.width = static_cast<int>(static_cast<double>(in.width) / in.height * out.height);
  } else {
    size.height = static_cast<int>(static_cast<double>(in.height) / in.width * out.width);
  }
  return {std::max(size.width, out.width), std::max(size.height, out.height)};
}

FrameTransform PlanCoveringCrop(PixelSize in, PixelSize out, int top, int left) {
  return {Whole(in), CoveringSize(in, out), {top, left, out.height, out.width}, false};
}

FrameTransform PlanTransform(config::Preprocessing::Geometry geometry, PixelSize in,
                             PixelSize out) {
  switch (geometry) {
    case config::Preprocessing::CENTER_SQUARE: {
      const int side = std::min(in.width, in.height);
      return PlanResizedCrop(CentralBox(in, side, side), out);
    }
    case config::Preprocessing::SHORT_SIDE: {
      const PixelBox window = CentralBox(CoveringSize(in, out), out.height, out.width);
      return PlanCoveringCrop(in, out, window.top, window.left);
    }
    case config::Preprocessing::STRETCH:
      break;
  }
  return PlanResizedCrop(Whole(in), out);
}

FrameTransform PlanRandomCrop(const config::RandomCrop& crop, PixelSize in, PixelSize out,
                              const std::function<double()>& uniform) {
  if (crop.kind() == config::RandomCrop::RESIZED) {
    return PlanResizedCrop(RandomBox(crop, in, uniform), out);
  }
  const PixelSize size = CoveringSize(in, out);
  const int top = Draw(size.height - out.height, uniform);
  return PlanCoveringCrop(in, out, top, Draw(size.width - out.width, uniform));
}

void TransformImage(const Image& image, const FrameTransform& transform,
                    const config::Preprocessing& settings, absl::Span<float> out) {
  const Normalizer normalizer = NormalizerOf(settings);
  if (settings.interpolation() == config::Preprocessing::BICUBIC) {
    ResizeCubic(image, transform, normalizer, out);
  } else {
    ResizeArea(image, transform, normalizer, out);
  }
}

std::vector<uint8_t> TransformLabels(absl::Span<const uint8_t> plane, PixelSize in,
                                     const FrameTransform& transform) {
  const PixelBox &source = transform.source, &window = transform.window;
  const std::vector<int> rows =
      NearestIndices(source.height, transform.resized.height, window.top, window.height);
  std::vector<int> columns =
      NearestIndices(source.width, transform.resized.width, window.left, window.width);
  if (transform.flip) std::reverse(columns.begin(), columns.end());
  std::vector<uint8_t> result;
  result.reserve(rows.size() * columns.size());
  for (const int y : rows) {
    const size_t row = static_cast<size_t>(source.top + y) * in.width + source.left;
    for (const int x : columns) result.push_back(plane[row + x]);
  }
  return result;
}

}  // namespace slotmatch
