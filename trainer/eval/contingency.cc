#include "trainer/eval/contingency.h"

#include <algorithm>
#include <numeric>

#include "trainer/data/dataset.h"

namespace slotmatch {

void Contingency::Add(const LabelMap& truth, const LabelMap& prediction) {
  // Every label at once, so that no pixel has to look.
  const size_t columns = static_cast<size_t>(num_slots_) + 1;
  std::vector<int64_t> all(256 * columns, 0);
  for (size_t i = 0; i < truth.labels.size(); ++i) {
    const auto slot = std::min(prediction.labels[i], static_cast<uint8_t>(num_slots_));
    ++all[truth.labels[i] * columns + slot];
  }
  const auto overlaps = all.begin() + static_cast<int64_t>(kOverlapLabel * columns);
  overlap_px_ += std::accumulate(overlaps, all.end(), int64_t{0});
  const auto last = std::find_if(std::make_reverse_iterator(overlaps), all.rend(),
                                 [](int64_t n) { return n != 0; });
  const size_t used = static_cast<size_t>(last.base() - all.begin());
  counts_.resize(std::max(counts_.size(), (used + columns - 1) / columns * columns), 0);
  for (size_t i = 0; i < used; ++i) counts_[i] += all[i];
}

void Contingency::Add(const Contingency& other) {
  counts_.resize(std::max(counts_.size(), other.counts_.size()), 0);
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  overlap_px_ += other.overlap_px_;
}

Contingency Contingency::Grouped(absl::Span<const int> group_of, int groups) const {
  Contingency grouped(groups);
  const size_t columns = static_cast<size_t>(groups) + 1;
  grouped.counts_.resize(num_rows() * columns);
  grouped.overlap_px_ = overlap_px_;
  for (int object = 0; object < num_rows(); ++object) {
    int64_t* to = grouped.counts_.data() + object * columns;
    for (int k = 0; k < num_slots_; ++k) {
      to[group_of[k] < 0 ? groups : group_of[k]] += row(object)[k];
    }
    to[groups] += row(object)[num_slots_];
  }
  return grouped;
}

int64_t Contingency::ObjectArea(int object) const {
  if (object >= num_rows()) return 0;
  return std::accumulate(row(object), row(object) + num_slots_ + 1, int64_t{0});
}

int64_t Contingency::SlotArea(int slot) const {
  int64_t area = 0;
  for (int object = 0; object < num_rows(); ++object) area += shared(object, slot);
  return area;
}

}  // namespace slotmatch
