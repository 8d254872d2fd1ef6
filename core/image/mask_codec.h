#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slotmatch {

// Label maps [height, width], one slot index (0..254) per pixel, 255 = none.
struct LabelMap {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> labels;
};

// INDEX_RLE: runs of (label byte, run length as a base-128 varint), row-major over the whole map.
std::string EncodeIndexRle(const LabelMap& map);
// DATA_LOSS when the runs do not fill exactly width * height pixels or are cut short.
absl::StatusOr<LabelMap> DecodeIndexRle(absl::string_view bytes, int width, int height);

// 8-bit palette PNG whose pixel value is the label and whose palette is Palette().
std::string EncodePalettePng(const LabelMap& map);
absl::StatusOr<LabelMap> DecodePalettePng(absl::string_view bytes);

struct Rgb {
  uint8_t r, g, b;
};
// Colour of a label: the DAVIS / PASCAL VOC palette. Stable for ever: colours stay with IDs.
Rgb PaletteColor(int label);

}  // namespace slotmatch
