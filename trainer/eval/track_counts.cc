#include "trainer/eval/track_counts.h"

#include <numeric>
#include <vector>

namespace slotmatch {

void TrackCounts::AddFrame(const Contingency& frame, absl::Span<const uint64_t> ids) {
  const int columns_before = pixels_.num_slots();
  std::vector<int> group_of;
  for (const uint64_t id : ids) {
    if (id == 0) {
      group_of.push_back(-1);
      continue;
    }
    const int next = static_cast<int>(column_of_.size());
    group_of.push_back(column_of_.try_emplace(id, next).first->second);
  }
  const int columns = static_cast<int>(column_of_.size());
  if (columns > columns_before) {
    std::vector<int> same(columns_before);
    std::iota(same.begin(), same.end(), 0);
    pixels_ = pixels_.Grouped(same, columns);
  }
  const Contingency grouped = frame.Grouped(group_of, columns);
  switches_.AddFrame(grouped);
  pixels_.Add(grouped);
}

}  // namespace slotmatch
