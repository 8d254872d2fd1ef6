#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace slotmatch {

// Counts of durations in buckets that grow with their value: quantiles are exact to 1.6 %, memory
// is fixed. Covers 1 us to about 19 h; what is longer counts as that long. Not thread-safe.
class DurationHistogram {
 public:
  DurationHistogram();

  // Negative ones count as zero.
  void Add(absl::Duration value);
  void Merge(const DurationHistogram& other);

  int64_t count() const { return count_; }
  absl::Duration max() const { return max_; }
  absl::Duration mean() const;  // zero when empty
  // The value that a share `q` of all, 0 to 1, does not exceed; at most max(). Zero when empty.
  absl::Duration Quantile(double q) const;

 private:
  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
  absl::Duration sum_;
  absl::Duration max_;
};

}  // namespace slotmatch
