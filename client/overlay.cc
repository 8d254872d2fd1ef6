#include "client/overlay.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <string>

namespace slotmatch {
namespace {

constexpr double kTint = 0.45;
constexpr double kSmallestLabelled = 0.004;  // share of the picture

// The mask's pixel farthest from its edge: a place that is surely inside.
cv::Point InnerPoint(const LabelMap& map, const v1::Slot& slot, const cv::Rect& box) {
  cv::Mat labels(map.height, map.width, CV_8UC1, const_cast<uint8_t*>(map.labels.data()));
  cv::Mat mask = labels(box) == static_cast<int>(slot.index());
  cv::copyMakeBorder(mask, mask, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  cv::Mat distance;
  cv::distanceTransform(mask, distance, cv::DIST_L1, 3);
  cv::Point inner;
  cv::minMaxLoc(distance, nullptr, nullptr, nullptr, &inner);
  return inner + box.tl() - cv::Point(1, 1);
}

void WriteId(const LabelMap& map, const v1::Slot& slot, cv::Mat* picture) {
  // A server's word about a box is not trusted to lie inside the picture.
  const cv::Rect2d stated(slot.box().left(), slot.box().top(), slot.box().width(),
                          slot.box().height());
  const cv::Rect box = stated & cv::Rect2d(0, 0, map.width, map.height);
  if (box.empty()) return;
  const double scale = std::max(0.4, picture->rows / 700.0);
  const int thickness = std::max(1, static_cast<int>(scale * 2));
  const std::string text = std::to_string(slot.temporal_id());
  int baseline = 0;
  const cv::Size size =
      cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, thickness, &baseline);
  const cv::Point at = InnerPoint(map, slot, box) + cv::Point(-size.width / 2, size.height / 2);
  cv::putText(*picture, text, at, cv::FONT_HERSHEY_SIMPLEX, scale, {0, 0, 0}, thickness + 2,
              cv::LINE_AA);
  cv::putText(*picture, text, at, cv::FONT_HERSHEY_SIMPLEX, scale, {255, 255, 255}, thickness,
              cv::LINE_AA);
}

}  // namespace

cv::Vec3b OverlayColor(uint64_t temporal_id) {
  // The golden angle spreads any number of hues evenly; brightness alternates to split neighbours.
  const double turn = std::fmod(0.08 + static_cast<double>(temporal_id) * 0.6180339887498949, 1.0);
  const double value = temporal_id % 2 == 0 ? 1.0 : 0.8;
  std::array<uint8_t, 3> bgr{};
  for (int channel = 0; channel < 3; ++channel) {
    const double phase = std::fmod(turn * 6 + (channel == 0 ? 1 : channel == 1 ? 3 : 5), 6.0);
    const double level = value - value * 0.85 * std::clamp(std::min(phase, 4 - phase), 0.0, 1.0);
    bgr[channel] = static_cast<uint8_t>(std::lround(level * 255));
  }
  return {bgr[0], bgr[1], bgr[2]};
}

cv::Mat DrawOverlay(const cv::Mat& bgr, const LabelMap& map, const v1::FrameResult& result) {
  std::array<cv::Vec3b, 256> colors{};
  for (const v1::Slot& slot : result.slots()) {
    if (slot.index() < colors.size()) colors[slot.index()] = OverlayColor(slot.temporal_id());
  }
  cv::Mat picture = bgr.clone();
  const uint8_t* labels = map.labels.data();
  for (int y = 0; y < map.height; ++y) {
    auto* row = picture.ptr<cv::Vec3b>(y);
    const uint8_t* here = labels + static_cast<size_t>(y) * map.width;
    const uint8_t* below = y + 1 < map.height ? here + map.width : here;
    for (int x = 0; x < map.width; ++x) {
      const cv::Vec3b& color = colors[here[x]];
      const bool edge = below[x] != here[x] || (x + 1 < map.width && here[x + 1] != here[x]);
      for (int c = 0; c < 3; ++c) {
        row[x][c] = edge ? color[c]
                         : static_cast<uint8_t>((1 - kTint) * row[x][c] + kTint * color[c] + 0.5);
      }
    }
  }
  for (const v1::Slot& slot : result.slots()) {
    if (slot.has_box() && slot.area_ratio() >= kSmallestLabelled) WriteId(map, slot, &picture);
  }
  return picture;
}

}  // namespace slotmatch
