#include "trainer/eval/pictures.h"

#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace slotmatch {
namespace {

constexpr int kColumnWidth = 240;
constexpr double kOpacity = 0.55;

cv::Mat Bgr(const Image& image) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

cv::Mat Overlay(const cv::Mat& source, const LabelMap& map, int first_color) {
  cv::Mat painted = source.clone();
  for (int y = 0; y < map.height; ++y) {
    auto* row = painted.ptr<cv::Vec3b>(y);
    for (int x = 0; x < map.width; ++x) {
      const uint8_t label = map.labels[static_cast<size_t>(y) * map.width + x];
      if (label == 0 && first_color == 0) continue;  // unlabelled truth stays as it is
      const Rgb color = PaletteColor(label + first_color);
      row[x] = cv::Vec3b(color.b, color.g, color.r);
    }
  }
  cv::Mat mixed;
  cv::addWeighted(painted, kOpacity, source, 1 - kOpacity, 0, mixed);
  return mixed;
}

}  // namespace

absl::Status WriteStrip(const std::string& path, const std::vector<StripFrame>& frames) {
  std::vector<cv::Mat> columns;
  for (const StripFrame& frame : frames) {
    const cv::Mat source = Bgr(frame.image);
    std::vector<cv::Mat> cells = {source, Overlay(source, frame.prediction, 1)};
    if (!frame.truth.labels.empty()) cells.push_back(Overlay(source, frame.truth, 0));
    const int height = source.rows * kColumnWidth / source.cols;
    for (cv::Mat& cell : cells) cv::resize(cell, cell, cv::Size(kColumnWidth, height));
    cv::Mat column;
    cv::vconcat(cells, column);
    columns.push_back(column);
  }
  if (columns.empty()) return absl::OkStatus();
  cv::Mat strip;
  cv::hconcat(columns, strip);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  return cv::imwrite(path, strip) ? absl::OkStatus()
                                  : absl::AbortedError("cannot write picture " + path);
}

}  // namespace slotmatch
