#include "core/image/image.h"

#include <algorithm>
#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);
constexpr size_t kPngHeaderBytes = 33;  // signature, IHDR length, type, 13 bytes, CRC

uint32_t BigEndian(absl::string_view bytes, size_t position, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[position + i]);
  }
  return value;
}

absl::StatusOr<EncodedInfo> ProbePng(absl::string_view bytes) {
  if (bytes.size() < kPngHeaderBytes || bytes.substr(12, 4) != "IHDR") {
    return absl::InvalidArgumentError("the PNG is cut short in its header");
  }
  const uint32_t width = BigEndian(bytes, 16, 4), height = BigEndian(bytes, 20, 4);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return absl::InvalidArgumentError("the PNG header states an impossible size");
  }
  return EncodedInfo{EncodedInfo::Format::kPng, static_cast<int>(width), static_cast<int>(height)};
}

bool IsStartOfFrame(int marker) {
  // SOF0..SOF15 without DHT (C4), JPG (C8) and DAC (CC).
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

absl::StatusOr<EncodedInfo> ProbeJpeg(absl::string_view bytes) {
  size_t at = 2;
  while (at + 4 <= bytes.size()) {
    if (static_cast<uint8_t>(bytes[at]) != 0xFF) break;
    const int marker = static_cast<uint8_t>(bytes[at + 1]);
    if (marker == 0xFF || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      at += marker == 0xFF ? 1 : 2;  // fill byte, or a marker without a segment
      continue;
    }
    const size_t length = BigEndian(bytes, at + 2, 2);
    if (IsStartOfFrame(marker)) {
      if (length < 8 || at + 9 > bytes.size()) break;
      const auto height = static_cast<int>(BigEndian(bytes, at + 5, 2));
      const auto width = static_cast<int>(BigEndian(bytes, at + 7, 2));
      if (width == 0 || height == 0) break;
      return EncodedInfo{EncodedInfo::Format::kJpeg, width, height};
    }
    if (marker == 0xDA || marker == 0xD9 || length < 2) break;
    at += 2 + length;
  }
  return absl::InvalidArgumentError("the JPEG has no readable frame header");
}

absl::Status CheckSize(int64_t width, int64_t height, const ImageLimits& limits) {
  if (width <= limits.max_side_px && height <= limits.max_side_px &&
      width * height <= limits.max_pixels) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the image is ", width, "x", height, " px; at most ", limits.max_side_px,
                   " px a side and ", limits.max_pixels, " px in all are accepted"));
}

// OpenCV pads a truncated JPEG with gray and reports nothing, so the end marker is asked for.
bool EndsLikeJpeg(absl::string_view bytes) {
  const size_t end = bytes.rfind(absl::string_view("\xFF\xD9", 2));
  return end != absl::string_view::npos;
}

Image FromMat(const cv::Mat& rgb) {
  Image image{rgb.cols, rgb.rows, {}};
  const size_t row = static_cast<size_t>(rgb.cols) * 3;
  image.rgb.resize(row * rgb.rows);
  for (int y = 0; y < rgb.rows; ++y) {
    std::memcpy(image.rgb.data() + y * row, rgb.ptr(y), row);
  }
  return image;
}

// How pixels of a RawFormat lie in memory, and what makes RGB of them.
struct RawRow {
  RawFormat format;
  const char* name;
  int channels;
  bool half_chroma;
  int conversion;  // of cv::cvtColor; -1: none
};
constexpr RawRow kRawTable[] = {{RawFormat::kRgb8, "RGB8", 3, false, -1},
                                {RawFormat::kBgr8, "BGR8", 3, false, cv::COLOR_BGR2RGB},
                                {RawFormat::kGray8, "GRAY8", 1, false, cv::COLOR_GRAY2RGB},
                                {RawFormat::kNv12, "NV12", 1, true, cv::COLOR_YUV2RGB_NV12},
                                {RawFormat::kI420, "I420", 1, true, cv::COLOR_YUV2RGB_I420}};

const RawRow& RowOf(RawFormat format) {
  for (const RawRow& row : kRawTable) {
    if (row.format == format) return row;
  }
  return kRawTable[0];
}

}  // namespace

absl::StatusOr<EncodedInfo> ProbeImage(absl::string_view bytes) {
  if (bytes.empty()) return absl::InvalidArgumentError("the image is empty: 0 bytes");
  if (absl::StartsWith(bytes, kPngSignature)) return ProbePng(bytes);
  if (absl::StartsWith(bytes, absl::string_view("\xFF\xD8", 2))) return ProbeJpeg(bytes);
  return absl::InvalidArgumentError(
      absl::StrCat("the ", bytes.size(), " bytes are neither a JPEG nor a PNG"));
}

absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits) {
  SM_ASSIGN_OR_RETURN(const EncodedInfo info, ProbeImage(bytes));
  SM_RETURN_IF_ERROR(CheckSize(info.width, info.height, limits));
  const bool jpeg = info.format == EncodedInfo::Format::kJpeg;
  if (jpeg && !EndsLikeJpeg(bytes)) {
    return absl::DataLossError("the JPEG is cut short: its end marker is missing");
  }
  cv::Mat bgr;
  try {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1,
                         const_cast<char*>(bytes.data()));
    bgr = cv::imdecode(buffer, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    bgr.release();
  }
  if (bgr.empty() || bgr.cols != info.width || bgr.rows != info.height) {
    return absl::DataLossError(
        absl::StrCat("the ", jpeg ? "JPEG" : "PNG", " is damaged: its pixels cannot be decoded"));
  }
  cv::Mat rgb;
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return FromMat(rgb);
}

absl::StatusOr<Image> ImageFromRaw(RawFormat format, int64_t width, int64_t height,
                                   absl::string_view data, const ImageLimits& limits) {
  if (width <= 0 || height <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a raw frame needs width and height, got ", width, "x", height));
  }
  SM_RETURN_IF_ERROR(CheckSize(width, height, limits));
  const RawRow& row = RowOf(format);
  if (row.half_chroma && (width % 2 != 0 || height % 2 != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a raw ", row.name, " frame is ", width, "x", height, "; both must be even"));
  }
  const int64_t wanted = row.half_chroma ? width * height * 3 / 2 : width * height * row.channels;
  if (static_cast<int64_t>(data.size()) != wanted) {
    return absl::InvalidArgumentError(absl::StrCat("a raw ", row.name, " frame of ", width, "x",
                                                   height, " has ", wanted, " bytes, not ",
                                                   data.size()));
  }
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  image.rgb.resize(static_cast<size_t>(width * height) * 3);
  const int rows = static_cast<int>(row.half_chroma ? height * 3 / 2 : height);
  // cvtColor only reads it.
  const cv::Mat from(rows, image.width, CV_8UC(row.channels), const_cast<char*>(data.data()));
  cv::Mat to(image.height, image.width, CV_8UC3, image.rgb.data());
  if (row.conversion < 0) {
    from.copyTo(to);
  } else {
    cv::cvtColor(from, to, row.conversion);
  }
  return image;
}

}  // namespace slotmatch
