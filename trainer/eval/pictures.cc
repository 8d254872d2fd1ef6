#include "trainer/eval/pictures.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/eval/overlay.h"

namespace slotmatch {
namespace {

constexpr int kColumnWidth = 240;
constexpr size_t kStripColumns = 5;

}  // namespace

std::string StripPng(const std::vector<StripFrame>& frames) {
  std::vector<cv::Mat> columns;
  for (const StripFrame& frame : frames) {
    const cv::Mat source = ToBgr(frame.image);
    std::vector<cv::Mat> cells = {source};
    for (const LabelMap& map : frame.predictions) cells.push_back(LayOver(source, map, 1));
    if (!frame.truth.labels.empty()) cells.push_back(LayOver(source, frame.truth, 0));
    const int height = std::max(1, source.rows * kColumnWidth / source.cols);
    for (cv::Mat& cell : cells) cv::resize(cell, cell, cv::Size(kColumnWidth, height));
    cv::Mat column;
    cv::vconcat(cells, column);
    columns.push_back(column);
  }
  cv::Mat strip;
  cv::hconcat(columns, strip);
  std::vector<uint8_t> png;
  cv::imencode(".png", strip, png);
  return {png.begin(), png.end()};
}

void StripCollector::Add(int64_t index, StripFrame frame) {
  // Every stride-th frame is kept; when full, every second of them goes and the stride doubles.
  if (!Wants(index)) return;
  if (frames_.size() == 2 * kStripColumns) {
    for (size_t i = 1; i < frames_.size() / 2; ++i) frames_[i] = std::move(frames_[2 * i]);
    frames_.resize(frames_.size() / 2);
    stride_ *= 2;
    if (!Wants(index)) return;
  }
  frames_.push_back(std::move(frame));
}

std::vector<StripFrame> StripCollector::Columns() const {
  std::vector<StripFrame> columns;
  const size_t count = std::min(frames_.size(), kStripColumns);
  for (size_t i = 0; i < count; ++i) {
    columns.push_back(frames_[count == 1 ? 0 : i * (frames_.size() - 1) / (count - 1)]);
  }
  return columns;
}

bool RankedPictures::Wants(double score) const {
  return (best_count_ > 0 && (best_.size() < best_count_ || score > best_.begin()->first)) ||
         (worst_count_ > 0 && (worst_.size() < worst_count_ || score < worst_.rbegin()->first));
}

void RankedPictures::Add(double score, const std::string& name, const std::string& png) {
  best_.insert({score, {name, png}});
  if (best_.size() > best_count_) best_.erase(best_.begin());
  worst_.insert({score, {name, png}});
  if (worst_.size() > worst_count_) worst_.erase(std::prev(worst_.end()));
}

absl::Status RankedPictures::Write(const std::string& folder, const std::string& prefix) const {
  const auto write = [&](const char* kind, size_t rank, const auto& row) {
    const std::string file =
        absl::StrFormat("%s_%s%d_%s_%.3f.png", prefix, kind, rank, row->second.name, row->first);
    return WriteFileAtomically(folder + "/" + absl::StrReplaceAll(file, {{"/", "_"}}),
                               row->second.png);
  };
  size_t rank = 0;
  for (auto row = best_.rbegin(); row != best_.rend(); ++row) {
    SM_RETURN_IF_ERROR(write("best", ++rank, row));
  }
  rank = 0;
  for (auto row = worst_.begin(); row != worst_.end(); ++row) {
    SM_RETURN_IF_ERROR(write("worst", ++rank, row));
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
