#pragma once

#include <grpcpp/alarm.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/time/time.h"

namespace slotmatch {

// How many frames a second one session may send: a token bucket that holds a second's frames, as
// one time (the generic cell rate algorithm). A value; not thread-safe.
class FrameRate {
 public:
  explicit FrameRate(double per_s)
      : period_(per_s > 0 ? absl::Seconds(1 / per_s) : absl::ZeroDuration()),
        burst_(std::max(absl::Seconds(1) - period_, absl::ZeroDuration())) {}

  // When the next frame may come.
  absl::Time NextAt() const { return due_ - burst_; }
  // Counts a frame that comes `now`; false, and not counted, when it is one too many.
  bool Take(absl::Time now) {
    if (now < NextAt()) return false;
    due_ = std::max(due_, now) + period_;
    return true;
  }

 private:
  const absl::Duration period_, burst_;
  absl::Time due_ = absl::InfinitePast();  // of a frame that keeps the rate exactly
};

// Has `alarm` call `wake` of `owner` then, unless the owner is gone. The alarm keeps its callback
// until it is set again, so that must not own the owner.
template <class T>
void WakeAt(absl::Time when, std::weak_ptr<T> owner, void (T::*wake)(), grpc::Alarm* alarm) {
  alarm->Set(absl::ToChronoTime(when), [owner = std::move(owner), wake](bool) {
    if (const auto alive = owner.lock()) (alive.get()->*wake)();
  });
}

}  // namespace slotmatch
