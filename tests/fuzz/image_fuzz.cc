#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/image/image.h"

namespace {

using slotmatch::Image;

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckPicture(const Image& image, const slotmatch::ImageLimits& limits) {
  Require(image.width > 0 && image.height > 0);
  Require(image.width <= limits.max_side_px && image.height <= limits.max_side_px);
  Require(image.rgb.size() == size_t{3} * image.width * image.height);
}

// The first bytes as format and size of raw pixels.
void CheckRaw(const std::string& bytes, const slotmatch::ImageLimits& limits) {
  if (bytes.size() < 3) return;
  const auto format = static_cast<slotmatch::RawFormat>(static_cast<uint8_t>(bytes[0]) % 3);
  const auto width = static_cast<int8_t>(bytes[1]), height = static_cast<int8_t>(bytes[2]);
  const auto image = slotmatch::ImageFromRaw(format, width, height, bytes.substr(3), limits);
  if (image.ok()) CheckPicture(*image, limits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  slotmatch::ImageLimits limits;
  limits.max_pixels = 1 << 18;
  limits.max_side_px = 1 << 12;
  const auto probed = slotmatch::ProbeImage(bytes);
  const auto image = slotmatch::DecodeImage(bytes, limits);
  if (image.ok()) {
    CheckPicture(*image, limits);
    Require(probed.ok() && probed->width == image->width && probed->height == image->height);
  }
  CheckRaw(bytes, limits);
  return 0;
}
