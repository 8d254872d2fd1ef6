#include "trainer/eval/iou.h"

#include <algorithm>

#include "core/base/assignment.h"

namespace slotmatch {
namespace {

double BestIou(const Contingency& counts, int object) {
  double best = 0;
  for (int slot = 0; slot < counts.num_slots(); ++slot) {
    best = std::max(best, PairIou(counts, object, slot));
  }
  return best;
}

double MatchedIou(const Contingency& counts) {
  const int objects = counts.num_rows() - 1, slots = counts.num_slots();
  std::vector<double> costs;
  for (int object = 1; object <= objects; ++object) {
    for (int slot = 0; slot < slots; ++slot) costs.push_back(-PairIou(counts, object, slot));
  }
  const std::vector<int> slot_of = SolveAssignment(costs, objects, slots);
  double sum = 0;
  for (int i = 0; i < objects; ++i) {
    if (slot_of[i] >= 0) sum -= costs[static_cast<size_t>(i) * slots + slot_of[i]];
  }
  return sum;
}

}  // namespace

double PairIou(const Contingency& counts, int object, int slot) {
  const auto shared = static_cast<double>(counts.shared(object, slot));
  if (shared == 0) return 0;
  return shared / (static_cast<double>(counts.ObjectArea(object) + counts.SlotArea(slot)) - shared);
}

std::optional<double> MeanIou(const Contingency& counts, Matching matching) {
  if (!counts.has_objects()) return std::nullopt;
  if (matching == Matching::kIndex && counts.num_rows() - 1 > counts.num_slots()) {
    return std::nullopt;
  }
  double sum = matching == Matching::kHungarian ? MatchedIou(counts) : 0;
  int objects = 0;
  for (int object = 1; object < counts.num_rows(); ++object) {
    if (counts.ObjectArea(object) == 0) continue;
    ++objects;
    if (matching == Matching::kOverlap) sum += BestIou(counts, object);
    if (matching == Matching::kIndex) sum += PairIou(counts, object, object - 1);
  }
  return sum / objects;
}

}  // namespace slotmatch
