#include "client/frame_source.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <opencv2/videoio.hpp>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/live_source.h"
#include "client/picture_files.h"
#include "client/stdin_source.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr int kStreamTimeoutMs = 5000;  // to connect, and between two frames

class CaptureSource : public FrameSource {
 public:
  CaptureSource(cv::VideoCapture capture, std::string name, bool live)
      : capture_(std::move(capture)), name_(std::move(name)), live_(live) {
    const double fps = capture_.get(cv::CAP_PROP_FPS);
    if (fps > 0 && fps <= 1000) fps_ = fps;
    // The container knows how many frames there are, so a cut file is noticed.
    if (!live) {
      total_ = std::max<int64_t>(0, static_cast<int64_t>(capture_.get(cv::CAP_PROP_FRAME_COUNT)));
    }
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
  bool live() const override { return live_; }

 private:
  cv::VideoCapture capture_;
  const std::string name_;
  const bool live_;
  double fps_ = 25;
  int64_t total_ = 0;
  int64_t given_ = 0;
};

bool IsCameraIndex(const std::string& where) {
  return !where.empty() && where.size() <= 3 &&
         std::all_of(where.begin(), where.end(), [](unsigned char c) { return std::isdigit(c); });
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenCamera(const std::string& where) {
  cv::VideoCapture capture;
  if (IsCameraIndex(where)) {
    capture.open(std::stoi(where));
  } else {
    capture.open(where, cv::CAP_V4L2);
  }
  if (!capture.isOpened()) return absl::UnavailableError("camera " + where + " cannot be opened");
  return std::make_unique<CaptureSource>(std::move(capture), "camera " + where, /*live=*/true);
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenUrl(const std::string& url) {
  cv::VideoCapture capture(url, cv::CAP_FFMPEG,
                           std::vector<int>{cv::CAP_PROP_OPEN_TIMEOUT_MSEC, kStreamTimeoutMs,
                                            cv::CAP_PROP_READ_TIMEOUT_MSEC, kStreamTimeoutMs});
  if (!capture.isOpened()) return absl::UnavailableError("stream " + url + " does not answer");
  const bool endless = capture.get(cv::CAP_PROP_FRAME_COUNT) <= 0;  // else a file behind a URL
  return std::make_unique<CaptureSource>(std::move(capture), "stream " + url, endless);
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenVideoFile(const std::string& path) {
  cv::VideoCapture capture(path, cv::CAP_FFMPEG);  // no second try with another
  if (capture.isOpened()) {
    return std::make_unique<CaptureSource>(std::move(capture), path, /*live=*/false);
  }
  return absl::DataLossError(path + " is not a video that can be decoded, or is only half written");
}

// `open` again and again, if what it opens is live.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenLive(const std::string& where,
                                                      const LiveSource::Opener& open,
                                                      const SourceOptions& options) {
  SM_ASSIGN_OR_RETURN(std::unique_ptr<FrameSource> source, open());
  if (!source->live()) return source;
  return std::make_unique<LiveSource>(where, std::move(source), open, options.patience,
                                      options.stop);
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(const std::string& where,
                                                             const SourceOptions& options) {
  if (where == "-") return OpenStdin(options.stdin_format, stdin);
  if (absl::StrContains(where, "://")) {
    return OpenLive(
        where, [where] { return OpenUrl(where); }, options);
  }
  const bool exists = fs::exists(where);
  if (exists ? fs::is_character_file(where) : IsCameraIndex(where)) {
    return OpenLive(
        "camera " + where, [where] { return OpenCamera(where); }, options);
  }
  if (!exists && IsPattern(where)) return OpenPattern(where);
  if (!exists) return absl::NotFoundError("there is no file " + where);
  if (fs::is_directory(where)) return OpenFolder(where);
  return OpenVideoFile(where);
}

}  // namespace slotmatch
