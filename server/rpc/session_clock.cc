#include "server/rpc/session_clock.h"

namespace slotmatch {

void SessionClock::Moved(absl::Time now) {
  moved_ = now;
  warned_ = false;
}

SessionClock::Event SessionClock::Tick(absl::Time now, bool busy) {
  if (max_age_ > absl::ZeroDuration() && now >= began_ + max_age_) return Event::kMaxAge;
  if (busy) Moved(now);
  const absl::Duration left = IdleLeft(now);
  if (left <= absl::ZeroDuration()) return Event::kIdle;
  if (warned_ || left > idle_timeout_ / 2) return Event::kNone;
  warned_ = true;
  return Event::kIdleSoon;
}

}  // namespace slotmatch
