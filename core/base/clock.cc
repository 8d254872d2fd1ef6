#include "core/base/clock.h"

#include "absl/time/clock.h"

namespace slotmatch {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock& Clock::Real() {
  static const auto& clock = *new RealClock();
  return clock;
}

}  // namespace slotmatch
