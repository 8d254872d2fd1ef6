#pragma once

#include "absl/time/time.h"

namespace slotmatch {

// Where time comes from, so that a test may turn it by hand. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  static const Clock& Real();  // absl::Now()
};

}  // namespace slotmatch
