#pragma once

#include <deque>
#include <map>

#include "absl/time/time.h"

namespace slotmatch {

// How long batches of a model take, learned from those that ran: per size, the least of the last
// few, so that neither a cold start nor a hiccup counts. Not thread-safe.
class BatchCost {
 public:
  void Learn(int size, absl::Duration compute);

  // Time for `frames` frames in batches of at most `max_size`; zero while nothing has run. A size
  // that never ran costs what a larger one does, or else its share of a smaller one.
  absl::Duration TimeFor(int frames, int max_size) const;

 private:
  absl::Duration OfBatch(int size) const;

  std::map<int, std::deque<absl::Duration>> by_size_;
};

}  // namespace slotmatch
