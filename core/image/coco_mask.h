#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// The three forms of a mask in COCO-style annotations, drawn as pycocotools draws them, bit for bit
// (common/maskApi.c: rleFrString, rleDecode, rleFrPoly). Each sets to 1 what the form covers in
// `mask` [height, width], row-major, which must have that size, and leaves the rest as it is.
// kDataLoss says what is wrong with the form; `mask` is then unspecified. Thread-safe.

// Run lengths, column-major, alternately outside and inside, first outside; they must fill the
// mask.
absl::Status PaintRuns(absl::Span<const int64_t> runs, int height, int width,
                       absl::Span<uint8_t> mask);
// The same, as the string of 6-bit characters that pycocotools writes.
absl::Status PaintCompressedRuns(absl::string_view text, int height, int width,
                                 absl::Span<uint8_t> mask);
// What PaintCompressedRuns reads, of each slot in a label map: [num_slots], in slot order; labels
// from num_slots on belong to none.
std::vector<std::string> EncodeCompressedRuns(const LabelMap& map, int num_slots);

// x0, y0, x1, y1, ... in pixels, at least three points. Coordinates up to 1e6 and outlines up to
// 1e7 px are accepted.
absl::Status PaintPolygon(absl::Span<const double> xy, int height, int width,
                          absl::Span<uint8_t> mask);

}  // namespace slotmatch
