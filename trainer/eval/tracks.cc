#include "trainer/eval/tracks.h"

#include <algorithm>

namespace slotmatch {
namespace {

// The slot with most pixels of the object, `preferred` among equals; -1 when none has any.
int MainSlot(const Contingency& counts, int object, int preferred) {
  int main = preferred;
  int64_t most = preferred < 0 ? 0 : counts.shared(object, preferred);
  for (int slot = 0; slot < counts.num_slots(); ++slot) {
    if (counts.shared(object, slot) > most) {
      main = slot;
      most = counts.shared(object, slot);
    }
  }
  return most == 0 ? -1 : main;
}

}  // namespace

void IdentitySwitches::AddFrame(const Contingency& frame) {
  if (frame.num_rows() > static_cast<int>(slot_of_.size())) slot_of_.resize(frame.num_rows(), -1);
  for (int object = 1; object < frame.num_rows(); ++object) {
    int& before = slot_of_[object];
    const int slot = MainSlot(frame, object, before);
    if (slot < 0) continue;
    if (before >= 0 && slot != before) ++count_;
    before = slot;
  }
}

std::optional<double> ObjectPurity(const Contingency& counts) {
  double sum = 0;
  int objects = 0;
  for (int object = 1; object < counts.num_rows(); ++object) {
    const int64_t area = counts.ObjectArea(object);
    if (area == 0) continue;
    ++objects;
    const int slot = MainSlot(counts, object, -1);
    if (slot >= 0) sum += static_cast<double>(counts.shared(object, slot)) / area;
  }
  if (objects == 0) return std::nullopt;
  return sum / objects;
}

std::optional<double> SlotPurity(const Contingency& counts) {
  double sum = 0;
  int slots = 0;
  for (int slot = 0; slot < counts.num_slots(); ++slot) {
    int64_t labelled = 0, most = 0;
    for (int object = 1; object < counts.num_rows(); ++object) {
      labelled += counts.shared(object, slot);
      most = std::max(most, counts.shared(object, slot));
    }
    if (labelled == 0) continue;
    ++slots;
    sum += static_cast<double>(most) / static_cast<double>(labelled);
  }
  if (slots == 0) return std::nullopt;
  return sum / slots;
}

}  // namespace slotmatch
