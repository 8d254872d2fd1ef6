#pragma once

#include <random>

#include "absl/time/time.h"

namespace slotmatch {

// When an open-loop sender means to send its frames, whatever becomes of the earlier ones.
// A function of its arguments alone. Not thread-safe.
class SendSchedule {
 public:
  enum class Kind { kConstant, kPoisson };

  // `per_second` > 0. The first time is a random one within the first period, so that many senders
  // do not send together.
  SendSchedule(Kind kind, double per_second, uint64_t seed);

  // The next time, from the schedule's beginning; never before an earlier one.
  absl::Duration Next();

 private:
  const Kind kind_;
  const double period_s_;
  std::mt19937_64 random_;
  double next_s_;
};

}  // namespace slotmatch
