#include "trainer/eval/sheet.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "core/base/files.h"
#include "trainer/eval/overlay.h"

namespace slotmatch {
namespace {

constexpr int kCellWidth = 240;
constexpr int kMaxCellHeight = 480;

cv::Mat CellPicture(const SheetCell& cell) {
  cv::Mat picture = ToBgr(cell.image);
  if (!cell.labels.labels.empty()) picture = LayOver(picture, cell.labels, 0);
  const int height = std::clamp(picture.rows * kCellWidth / picture.cols, 1, kMaxCellHeight);
  cv::resize(picture, picture, cv::Size(kCellWidth, height), 0, 0, cv::INTER_AREA);
  return picture;
}

}  // namespace

absl::Status WriteSheet(const std::string& path, const std::vector<SheetRow>& rows) {
  std::vector<std::vector<cv::Mat>> cells;
  int columns = 0, height = 0;
  for (const SheetRow& row : rows) {
    std::vector<cv::Mat> pictures;
    int row_height = 0;
    for (const SheetCell& cell : row) {
      pictures.push_back(CellPicture(cell));
      row_height = std::max(row_height, pictures.back().rows);
    }
    columns = std::max(columns, static_cast<int>(pictures.size()));
    height += row_height;
    cells.push_back(std::move(pictures));
  }
  if (columns == 0) return absl::InvalidArgumentError("a contact sheet needs a frame");
  cv::Mat sheet = cv::Mat::zeros(height, columns * kCellWidth, CV_8UC3);
  int top = 0;
  for (const std::vector<cv::Mat>& pictures : cells) {
    int row_height = 0;
    for (size_t i = 0; i < pictures.size(); ++i) {
      const cv::Rect place(static_cast<int>(i) * kCellWidth, top, kCellWidth, pictures[i].rows);
      pictures[i].copyTo(sheet(place));
      row_height = std::max(row_height, pictures[i].rows);
    }
    top += row_height;
  }
  std::vector<uint8_t> png;
  cv::imencode(".png", sheet, png);
  return WriteFileAtomically(path, {png.begin(), png.end()});
}

}  // namespace slotmatch
