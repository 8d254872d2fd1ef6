#include "core/engine/batch_cost.h"

#include <algorithm>

namespace slotmatch {

void BatchCost::Learn(int size, absl::Duration compute) {
  constexpr size_t kMemory = 8;  // batches
  std::deque<absl::Duration>& last = by_size_[size];
  last.push_back(compute);
  if (last.size() > kMemory) last.pop_front();
}

absl::Duration BatchCost::OfBatch(int size) const {
  if (size == 0 || by_size_.empty()) return absl::ZeroDuration();
  const auto larger = by_size_.lower_bound(size);
  const auto& [known, last] = larger != by_size_.end() ? *larger : *by_size_.rbegin();
  const absl::Duration time = *std::min_element(last.begin(), last.end());
  return known < size ? time * size / known : time;
}

absl::Duration BatchCost::TimeFor(int frames, int max_size) const {
  return OfBatch(max_size) * (frames / max_size) + OfBatch(frames % max_size);
}

}  // namespace slotmatch
