#include "trainer/eval/overlay.h"

#include <opencv2/imgproc.hpp>

namespace slotmatch {
namespace {

constexpr double kOpacity = 0.55;

}  // namespace

cv::Mat ToBgr(const Image& image) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

cv::Mat LayOver(const cv::Mat& source, const LabelMap& map, int first_color) {
  cv::Mat painted = source.clone();
  for (int y = 0; y < map.height; ++y) {
    auto* row = painted.ptr<cv::Vec3b>(y);
    for (int x = 0; x < map.width; ++x) {
      const uint8_t label = map.labels[static_cast<size_t>(y) * map.width + x];
      if (label + first_color == 0) continue;
      const Rgb color = PaletteColor(label + first_color);
      row[x] = cv::Vec3b(color.b, color.g, color.r);
    }
  }
  cv::Mat mixed;
  cv::addWeighted(painted, kOpacity, source, 1 - kOpacity, 0, mixed);
  return mixed;
}

}  // namespace slotmatch
