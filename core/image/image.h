#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slotmatch {

// 8-bit RGB picture, [height, width, 3] row-major without padding.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

struct ImageLimits {
  int64_t max_pixels = 33177600;
  int max_side_px = 16384;
};

// kNv12, kI420: YCbCr 4:2:0 of BT.601, limited range: a plane of luma, then half-size chroma, as
// CbCr pairs or as two planes.
enum class RawFormat { kRgb8, kBgr8, kGray8, kNv12, kI420 };

// Decodes a JPEG or PNG. Its header is parsed by us and checked against `limits` before any pixel
// is decoded. INVALID_ARGUMENT: empty, neither format, or too large (says which and what would be
// right); DATA_LOSS: the header is fine but the data is damaged or cut short. Thread-safe.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits);

// Checks size and length of raw pixels and converts them to RGB. INVALID_ARGUMENT otherwise; 4:2:0
// needs an even width and height.
absl::StatusOr<Image> ImageFromRaw(RawFormat format, int64_t width, int64_t height,
                                   absl::string_view data, const ImageLimits& limits);

struct EncodedInfo {
  enum class Format { kJpeg, kPng } format;
  int width;
  int height;
};
// Format and size from the header alone. INVALID_ARGUMENT when it is neither a JPEG nor a PNG.
absl::StatusOr<EncodedInfo> ProbeImage(absl::string_view bytes);

}  // namespace slotmatch
