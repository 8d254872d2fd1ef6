#pragma once

#include "absl/time/time.h"

namespace slotmatch {

// When a session ends by itself: idle for too long, or too old. Not thread-safe.
class SessionClock {
 public:
  enum class Event { kNone, kIdleSoon, kIdle, kMaxAge };

  // `max_age` zero: never.
  SessionClock(absl::Duration idle_timeout, absl::Duration max_age, absl::Time now)
      : idle_timeout_(idle_timeout), max_age_(max_age), began_(now), moved_(now) {}

  absl::Duration idle_timeout() const { return idle_timeout_; }
  absl::Duration max_age() const { return max_age_; }

  // The client sent something, or got an answer.
  void Moved(absl::Time now);
  // What is due. `busy`: something of the session is inside the server, so it is not idle.
  // kIdleSoon comes once per idle time, at its half.
  Event Tick(absl::Time now, bool busy);
  absl::Duration IdleLeft(absl::Time now) const { return moved_ + idle_timeout_ - now; }

 private:
  const absl::Duration idle_timeout_;
  const absl::Duration max_age_;
  const absl::Time began_;
  absl::Time moved_;
  bool warned_ = false;
};

}  // namespace slotmatch
