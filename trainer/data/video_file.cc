#include <filesystem>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/data/dataset_table.h"
#include "trainer/data/frame_folders.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

class VideoFileDataset : public VideoDataset {
 public:
  VideoFileDataset(std::vector<std::string> files, double max_fps)
      : files_(std::move(files)), max_fps_(max_fps) {}

  int64_t num_videos() const override { return static_cast<int64_t>(files_.size()); }
  std::string video_name(int64_t video) const override {
    return fs::path(files_[video]).stem().string();
  }
  bool has_labels() const override { return false; }

  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    cv::VideoCapture capture(files_[video], cv::CAP_FFMPEG);
    if (!capture.isOpened()) {
      return absl::DataLossError(files_[video] + " cannot be opened as a video");
    }
    const double fps = capture.get(cv::CAP_PROP_FPS);
    const double keep = max_fps_ > 0 && fps > max_fps_ ? max_fps_ / fps : 1.0;
    cv::Mat bgr, rgb;
    int64_t kept = 0;
    for (int64_t i = 0; capture.read(bgr); ++i) {
      // Frame i is kept when the count that the wanted rate calls for has grown.
      if (static_cast<int64_t>(static_cast<double>(i) * keep) < kept) continue;
      cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
      DatasetFrame frame;
      frame.index = kept++;
      frame.image = {rgb.cols, rgb.rows, {rgb.datastart, rgb.dataend}};
      SM_RETURN_IF_ERROR(visit(std::move(frame)));
    }
    if (kept == 0) return absl::DataLossError(files_[video] + " holds no readable frame");
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(files_[video]));
    return Sha256Hex(absl::StrCat(digest, " max_fps=", max_fps_));
  }

 private:
  std::vector<std::string> files_;
  double max_fps_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenVideoFiles(const config::DatasetConfig& config) {
  std::vector<std::string> files = {config.path()};
  if (fs::is_directory(config.path())) {
    files = SortedFiles(config.path(), {".mp4", ".avi", ".mov", ".mkv", ".webm"});
  }
  if (files.empty()) {
    return absl::DataLossError("no video file (.mp4, .avi, .mov, .mkv, .webm) in " + config.path());
  }
  return std::make_unique<VideoFileDataset>(std::move(files), config.max_fps());
}

}  // namespace slotmatch
