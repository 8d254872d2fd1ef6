#pragma once

#include <vector>

#include "absl/types/span.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// Per-slot statistics of one frame's label map.
struct SlotStats {
  int64_t area_px = 0;
  double confidence = 0;  // mean soft-mask value over the slot's own pixels; 0 when empty
  // Bounding box in pixels of the map; width and height 0 when empty.
  int left = 0, top = 0, width = 0, height = 0;
  // Mean place of its pixels' middles, the map's corner being 0; 0 when empty.
  double center_x = 0, center_y = 0;
};

struct Segmentation {
  LabelMap map;
  std::vector<SlotStats> slots;  // [K]
};

// Soft grid masks [K, grid_h, grid_w] -> bilinear resize to out_height x out_width
// (align_corners = false, no antialias) -> argmax over slots, ties to the lowest index
// (slotcontrast/modules/utils.py), and statistics in the same pass. K <= 255. Thread-safe.
Segmentation SegmentFromSoftMasks(absl::Span<const float> masks, int num_slots, int grid_height,
                                  int grid_width, int out_height, int out_width);

// The soft masks whose argmax SegmentFromSoftMasks takes: [K, out_height, out_width].
std::vector<float> ResizeSoftMasks(absl::Span<const float> masks, int num_slots, int grid_height,
                                   int grid_width, int out_height, int out_width);

}  // namespace slotmatch
