#include "client/stdin_source.h"

#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/picture_files.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxFrameBytes = size_t{64} << 20;
constexpr int kMaxSidePx = 16384;

absl::Status CutError() {
  return absl::DataLossError("standard input ends in the middle of a picture");
}

// Where the JPEG file that begins at `at` ends; npos when it is not all there. Goes from marker to
// marker, because a thumbnail inside has an end of its own.
size_t JpegEnd(const std::string& bytes, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  at += 2;
  while (at + 4 <= bytes.size() && byte(at) == 0xff) {
    const uint8_t marker = byte(at + 1);
    if (marker == 0xd9) return at + 2;
    if (marker == 0xff) {  // padding
      ++at;
      continue;
    }
    at += 2 + (byte(at + 2) << 8 | byte(at + 3));
    if (marker == 0xda)
      break;  // the scans follow; in them 0xff is never before 0xd9 but at the end
  }
  const size_t end = at < bytes.size() ? bytes.find("\xff\xd9", at) : std::string::npos;
  return end == std::string::npos ? end : end + 2;
}

class MotionJpegSource : public FrameSource {
 public:
  explicit MotionJpegSource(std::FILE* file) : file_(file) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    for (;;) {
      const size_t begin = buffer_.find("\xff\xd8");
      const size_t end = begin == std::string::npos ? begin : JpegEnd(buffer_, begin);
      if (end != std::string::npos) return Take(begin, end);
      if (buffer_.size() > kMaxFrameBytes) {
        return absl::DataLossError("standard input holds no Motion JPEG (no picture in 64 MiB)");
      }
      if (Fill()) continue;
      if (given_ == 0) return absl::DataLossError("standard input holds no Motion JPEG");
      if (begin != std::string::npos) return CutError();
      return std::nullopt;
    }
  }

 private:
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

struct PixelLayout {
  const char* name;  // as ffmpeg calls it
  int type;          // of cv::Mat
  int to_bgr;        // of cv::cvtColor; -1: it is BGR
};
constexpr PixelLayout kLayouts[] = {{"bgr24", CV_8UC3, -1},
                                    {"rgb24", CV_8UC3, cv::COLOR_RGB2BGR},
                                    {"gray", CV_8UC1, cv::COLOR_GRAY2BGR}};

class RawSource : public FrameSource {
 public:
  RawSource(std::FILE* file, const PixelLayout& layout, cv::Size size)
      : file_(file), layout_(layout), size_(size) {}

  absl::StatusOr<std::optional<ClientFrame>> Next() override {
    cv::Mat pixels(size_, layout_.type);
    const size_t bytes = pixels.total() * pixels.elemSize();
    const size_t count = std::fread(pixels.data, 1, bytes, file_);
    if (count == 0) return std::nullopt;
    if (count < bytes) return CutError();
    ClientFrame frame;
    if (layout_.to_bgr < 0) {
      frame.bgr = pixels;
    } else {
      cv::cvtColor(pixels, frame.bgr, layout_.to_bgr);
    }
    return frame;
  }

 private:
  std::FILE* const file_;
  const PixelLayout& layout_;
  const cv::Size size_;
};

bool ParseSize(const std::string& text, cv::Size* size) {
  const std::pair<std::string, std::string> sides = absl::StrSplit(text, absl::MaxSplits('x', 1));
  return absl::SimpleAtoi(sides.first, &size->width) &&
         absl::SimpleAtoi(sides.second, &size->height) && size->width > 0 && size->height > 0 &&
         size->width <= kMaxSidePx && size->height <= kMaxSidePx;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSource>> OpenStdin(const std::string& format, std::FILE* file) {
  if (format == "mjpeg") return std::make_unique<MotionJpegSource>(file);
  const std::pair<std::string, std::string> parts = absl::StrSplit(format, absl::MaxSplits(':', 1));
  for (const PixelLayout& layout : kLayouts) {
    cv::Size size;
    if (parts.first == layout.name && ParseSize(parts.second, &size)) {
      return std::make_unique<RawSource>(file, layout, size);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--stdin-format is '", format,
                   "'; it must be mjpeg, or bgr24, rgb24 or gray with a size, as bgr24:640x360"));
}

}  // namespace slotmatch
