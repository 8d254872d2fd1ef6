#pragma once

#include <optional>

#include "absl/time/time.h"

namespace slotmatch {

// When the next place will be free, from how far apart places were given back. Not thread-safe.
class Departures {
 public:
  void Left(absl::Time now);
  // The mean gap between departures, between 0.1 s and 60 s; 1 s before there are two.
  absl::Duration NextIn() const;

 private:
  std::optional<absl::Time> last_;
  std::optional<absl::Duration> gap_;  // moving average
};

}  // namespace slotmatch
