#include "client/frame_source.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

cv::Mat DecodeBgr(const std::string& bytes) {
  const cv::Mat view(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  // As the server sees it: not turned by the camera's orientation mark.
  return bytes.empty() ? cv::Mat()
                       : cv::imdecode(view, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
}

class CaptureSource : public FrameSource {
 public:
  // `counted`: the container knows how many frames there are, so a cut file is noticed.
  CaptureSource(cv::VideoCapture capture, std::string name, bool counted)
      : capture_(std::move(capture)), name_(std::move(name)) {
    const double fps = capture_.get(cv::CAP_PROP_FPS);
    if (fps > 0 && fps <= 1000) fps_ = fps;
    if (counted)
      total_ = std::max<int64_t>(0, static_cast<int64_t>(capture_.get(cv::CAP_PROP_FRAME_COUNT)));
  }

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    cv::Mat bgr;
    if (capture_.read(bgr) && !bgr.empty()) {
      ++given_;
      return ClientFrame{bgr.clone(), ""};
    }
    if (given_ == 0) return absl::DataLossError(name_ + " holds no readable frame");
    // Containers may count a few frames too many; a cut file lacks more.
    if (given_ + std::max<int64_t>(2, total_ / 20) < total_) {
      return absl::DataLossError(absl::StrCat(name_, " is cut short or damaged: ", given_, " of ",
                                              total_, " frames could be read"));
    }
    return std::nullopt;
  }
  double frames_per_second() const override { return fps_; }
  int64_t num_frames() const override { return total_; }

 private:
  cv::VideoCapture capture_;
  const std::string name_;
  double fps_ = 25;
  int64_t total_ = 0;
  int64_t given_ = 0;
};

class FolderSource : public FrameSource {
 public:
  explicit FolderSource(std::vector<std::string> files) : files_(std::move(files)) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    if (next_ == files_.size()) return std::nullopt;
    const std::string& file = files_[next_++];
    SM_ASSIGN_OR_RETURN(std::string bytes, ReadFile(file));
    ClientFrame frame{DecodeBgr(bytes), std::move(bytes)};
    if (frame.bgr.empty()) return absl::DataLossError(file + " is not a readable picture");
    return frame;
  }
  int64_t num_frames() const override { return static_cast<int64_t>(files_.size()); }

 private:
  std::vector<std::string> files_;
  size_t next_ = 0;
};

// JPEG files one after the other, as cameras and ffmpeg -f mjpeg write them.
class MotionJpegSource : public FrameSource {
 public:
  explicit MotionJpegSource(std::FILE* file) : file_(file) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    for (;;) {
      const size_t begin = buffer_.find("\xff\xd8");
      const size_t end = begin == std::string::npos ? begin : buffer_.find("\xff\xd9", begin + 2);
      if (end != std::string::npos) return Take(begin, end + 2);
      if (buffer_.size() > kMaxFrameBytes) {
        return absl::DataLossError("standard input holds no Motion JPEG (no picture in 64 MiB)");
      }
      if (Fill()) continue;
      if (given_ == 0) return absl::DataLossError("standard input holds no Motion JPEG");
      if (begin != std::string::npos) {
        return absl::DataLossError("standard input ends in the middle of a picture");
      }
      return std::nullopt;
    }
  }

 private:
  static constexpr size_t kMaxFrameBytes = size_t{64} << 20;

  bool Fill() {
    char chunk[65536];
    const size_t count = std::fread(chunk, 1, sizeof(chunk), file_);
    buffer_.append(chunk, count);
    return count > 0;
  }

  absl::StatusOr<std::optional<ClientFrame>> Take(size_t begin, size_t end) {
    ClientFrame frame;
    frame.encoded = buffer_.substr(begin, end - begin);
    buffer_.erase(0, end);
    frame.bgr = DecodeBgr(frame.encoded);
    if (frame.bgr.empty()) {
      return absl::DataLossError(absl::StrCat("picture ", given_, " on standard input is damaged"));
    }
    ++given_;
    return frame;
  }

  std::FILE* const file_;
  std::string buffer_;
  int64_t given_ = 0;
};

bool IsCameraIndex(const std::string& where) {
  return !where.empty() && where.size() <= 3 &&
         std::all_of(where.begin(), where.end(), [](unsigned char c) { return std::isdigit(c); });
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenFolder(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = absl::AsciiStrToLower(entry.path().extension().string());
    if (extension == ".jpg" || extension == ".jpeg" || extension == ".png") {
      files.push_back(entry.path().string());
    }
  }
  if (error) return absl::PermissionDeniedError("cannot read folder " + folder);
  if (files.empty()) return absl::NotFoundError(folder + " holds no .jpg or .png pictures");
  std::sort(files.begin(), files.end());
  return std::make_unique<FolderSource>(std::move(files));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(const std::string& where) {
  if (where == "-") return std::make_unique<MotionJpegSource>(stdin);
  const bool url = absl::StrContains(where, "://");
  const bool camera = !fs::exists(where) && IsCameraIndex(where);
  if (!url && !camera && !fs::exists(where))
    return absl::NotFoundError("there is no file " + where);
  if (fs::is_directory(where)) return OpenFolder(where);
  cv::VideoCapture capture;
  if (camera) {
    capture.open(std::stoi(where));
  } else {
    capture.open(where);
  }
  if (capture.isOpened()) {
    return std::make_unique<CaptureSource>(std::move(capture), where, !url && !camera);
  }
  if (camera) return absl::UnavailableError("camera " + where + " cannot be opened");
  if (url) return absl::UnavailableError("stream " + where + " does not answer");
  return absl::DataLossError(where +
                             " is not a video that can be decoded, or is only half written");
}

}  // namespace slotmatch
