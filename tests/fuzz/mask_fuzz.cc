#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/image/mask_codec.h"

namespace {

using slotmatch::LabelMap;

void RequireSame(const absl::StatusOr<LabelMap>& a, const LabelMap& b) {
  if (!a.ok() || a->width != b.width || a->height != b.height || a->labels != b.labels) {
    std::abort();
  }
}

void CheckRoundTrips(const LabelMap& map) {
  RequireSame(slotmatch::DecodeIndexRle(slotmatch::EncodeIndexRle(map), map.width, map.height),
              map);
  RequireSame(slotmatch::DecodePalettePng(slotmatch::EncodePalettePng(map)), map);
}

}  // namespace

// Two bytes of size, then: runs, a PNG file, and the labels of a map that wide.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const int width = data[0], height = data[1];
  const auto runs = slotmatch::DecodeIndexRle(bytes, width, height);
  if (runs.ok() && !runs->labels.empty()) CheckRoundTrips(*runs);
  const auto png = slotmatch::DecodePalettePng(bytes);
  if (png.ok()) CheckRoundTrips(*png);
  LabelMap map{std::max(width, 1), 0, {}};
  map.height = static_cast<int>(bytes.size()) / map.width;
  if (map.height == 0) return 0;
  map.labels.assign(bytes.begin(), bytes.begin() + size_t{1} * map.width * map.height);
  CheckRoundTrips(map);
  return 0;
}
