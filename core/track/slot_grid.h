#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace slotmatch {

// Shapes: K slots, S slot width, N = grid_width * grid_height cells of the patch grid.
struct TrackShape {
  int num_slots = 0;  // K <= 255
  int slot_dim = 0;   // S
  int grid_width = 0;
  int grid_height = 0;
  int cells() const { return grid_width * grid_height; }
};

inline constexpr uint8_t kNoOwner = 255;

// One frame of soft masks as who owns which cell.
struct SlotGrid {
  struct Region {
    int cells = 0;
    int first_cell = 0;  // row by row; of an empty region: N
    // Mean place of its cells, in 1/256 of a cell.
    uint32_t center_x = 0, center_y = 0;
  };
  std::string owners;           // [N] slot, or kNoOwner
  std::vector<Region> regions;  // [K]
};

// Argmax of masks [K, N] over slots, ties to the lowest; values that are not numbers own nothing.
SlotGrid MakeSlotGrid(absl::Span<const float> masks, const TrackShape& shape);

// How many cells slot k owns in `now` and slot j owned in `before`: [K x K], row k. `before` is [N]
// or empty.
std::vector<int> SharedCells(const std::string& now, const std::string& before, int num_slots);

// Whether a cell of slot k and one of slot j have a side in common: [K x K], row k.
std::vector<bool> TouchingSlots(const std::string& owners, const TrackShape& shape);

}  // namespace slotmatch
