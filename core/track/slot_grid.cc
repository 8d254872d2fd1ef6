#include "core/track/slot_grid.h"

namespace slotmatch {
namespace {

constexpr int64_t kCenterUnits = 256;  // of a cell

uint8_t OwnerOf(absl::Span<const float> masks, int cell, const TrackShape& shape) {
  int owner = kNoOwner;
  float most = 0;
  for (int k = 0; k < shape.num_slots; ++k) {
    const float value = masks[static_cast<size_t>(k) * shape.cells() + cell];
    if (owner == kNoOwner ? value == value : value > most) owner = k, most = value;
  }
  return static_cast<uint8_t>(owner);
}

}  // namespace

SlotGrid MakeSlotGrid(absl::Span<const float> masks, const TrackShape& shape) {
  SlotGrid grid;
  grid.owners.resize(shape.cells());
  SlotGrid::Region empty;
  empty.first_cell = shape.cells();
  grid.regions.assign(shape.num_slots, empty);
  std::vector<int64_t> sum_x(shape.num_slots), sum_y(shape.num_slots);
  for (int cell = 0; cell < shape.cells(); ++cell) {
    const uint8_t owner = OwnerOf(masks, cell, shape);
    grid.owners[cell] = static_cast<char>(owner);
    if (owner == kNoOwner) continue;
    SlotGrid::Region& region = grid.regions[owner];
    if (region.cells++ == 0) region.first_cell = cell;
    sum_x[owner] += cell % shape.grid_width;
    sum_y[owner] += cell / shape.grid_width;
  }
  for (int k = 0; k < shape.num_slots; ++k) {
    SlotGrid::Region& region = grid.regions[k];
    if (region.cells == 0) continue;
    region.center_x = static_cast<uint32_t>(sum_x[k] * kCenterUnits / region.cells);
    region.center_y = static_cast<uint32_t>(sum_y[k] * kCenterUnits / region.cells);
  }
  return grid;
}

std::vector<int> SharedCells(const std::string& now, const std::string& before, int num_slots) {
  std::vector<int> shared(static_cast<size_t>(num_slots) * num_slots);
  for (size_t cell = 0; cell < before.size(); ++cell) {
    const auto k = static_cast<uint8_t>(now[cell]), j = static_cast<uint8_t>(before[cell]);
    if (k < num_slots && j < num_slots) ++shared[static_cast<size_t>(k) * num_slots + j];
  }
  return shared;
}

std::vector<bool> TouchingSlots(const std::string& owners, const TrackShape& shape) {
  const size_t slots = shape.num_slots;
  std::vector<bool> touching(slots * slots);
  const auto meet = [&](int a, int b) {
    const auto k = static_cast<uint8_t>(owners[a]), j = static_cast<uint8_t>(owners[b]);
    if (k < slots && j < slots) touching[k * slots + j] = touching[j * slots + k] = true;
  };
  for (int cell = 0; cell < shape.cells(); ++cell) {
    if (cell % shape.grid_width > 0) meet(cell, cell - 1);
    if (cell >= shape.grid_width) meet(cell, cell - shape.grid_width);
  }
  return touching;
}

}  // namespace slotmatch
