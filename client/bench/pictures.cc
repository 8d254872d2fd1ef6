#include "client/bench/pictures.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "client/frame_source.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int kDiscs = 5;

cv::Mat Discs(int frame, cv::Size size) {
  cv::Mat picture(size, CV_8UC3, cv::Scalar(90, 110, 100));
  for (int i = 0; i < kDiscs; ++i) {
    const cv::Point at((60 + 130 * i + 9 * frame) % size.width,
                       (40 + 70 * i + 5 * frame) % size.height);
    cv::circle(picture, at, size.height / 9, cv::Scalar(50 * i, 250 - 40 * i, 30 + 45 * i),
               cv::FILLED);
  }
  return picture;
}

std::string JpegOf(const cv::Mat& bgr) {
  std::vector<uint8_t> bytes;
  cv::imencode(".jpeg", bgr, bytes);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<std::string> DrawPictures(int count, cv::Size size) {
  std::vector<std::string> pictures;
  for (int i = 0; i < count; ++i) pictures.push_back(JpegOf(Discs(i, size)));
  return pictures;
}

absl::StatusOr<std::vector<std::string>> ReadPictures(const std::string& source, int count) {
  if (source.empty()) return DrawPictures(count, cv::Size(640, 360));
  std::vector<std::string> pictures;
  SM_ASSIGN_OR_RETURN(const auto frames, OpenFrameSource(source));
  while (static_cast<int>(pictures.size()) < count) {
    SM_ASSIGN_OR_RETURN(const auto frame, frames->Next());
    if (!frame.has_value()) break;
    pictures.push_back(frame->encoded.empty() ? JpegOf(frame->bgr) : frame->encoded);
  }
  return pictures;
}

}  // namespace slotmatch
