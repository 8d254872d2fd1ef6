#pragma once

#include <algorithm>
#include <cstddef>
#include <map>

namespace slotmatch {

// Start-time fair queueing (Goyal, Vin, Cheng 1996): whoever was served least, in relation to its
// weight, comes next. Who was away gets no credit for that time. Not thread-safe.
template <typename Key>
class FairShare {
 public:
  // Virtual time of the next unit of `key`; the smallest comes first.
  double Start(const Key& key) const {
    const auto found = ahead_.find(key);
    return found == ahead_.end() ? now_ : std::max(now_, found->second);
  }

  // `key` got a unit; `weight` > 0.
  void Charge(const Key& key, double weight) {
    const double start = Start(key);
    now_ = std::max(now_, start);
    ahead_[key] = start + 1 / weight;
    if (ahead_.size() <= many_) return;
    std::erase_if(ahead_, [this](const auto& entry) { return entry.second <= now_; });
    many_ = std::max(kManyKeys, 2 * ahead_.size());
  }

 private:
  static constexpr size_t kManyKeys = 16;

  double now_ = 0;
  std::map<Key, double> ahead_;
  size_t many_ = kManyKeys;  // with more, those that are caught up are forgotten
};

}  // namespace slotmatch
