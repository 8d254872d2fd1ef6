#include "client/bench/schedule.h"

namespace slotmatch {

SendSchedule::SendSchedule(Kind kind, double per_second, uint64_t seed)
    : kind_(kind),
      period_s_(1 / per_second),
      random_(seed),
      next_s_(std::uniform_real_distribution<double>(0, period_s_)(random_)) {}

absl::Duration SendSchedule::Next() {
  const absl::Duration now = absl::Seconds(next_s_);
  next_s_ += kind_ == Kind::kConstant
                 ? period_s_
                 : std::exponential_distribution<double>(1 / period_s_)(random_);
  return now;
}

}  // namespace slotmatch
