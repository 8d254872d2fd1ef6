#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "core/engine/schedule_policy.h"

namespace slotmatch {

// What the server does about overload; each level includes those below.
enum class LoadLevel {
  kNormal = 0,
  kLargerBatches = 1,  // SchedulePolicy::degraded
  kBridgedFrames = 2,  // degradable sessions that drop frames compute only some of them
  kNoNewSessions = 3,
};
inline constexpr int kNumLoadLevels = 4;

// A rung of the ladder.
struct Load {
  LoadLevel level = LoadLevel::kNormal;
  int bridged_frames = 0;  // for every one that such a session computes
  friend bool operator==(const Load& a, const Load& b) {
    return a.level == b.level && a.bridged_frames == b.bridged_frames;
  }
  friend bool operator!=(const Load& a, const Load& b) { return !(a == b); }
};

// From how long frames wait to a rung, with hysteresis. An interval is one of overload when most
// frames of some class waited longer than the class may, and calm when nine of ten waited for less
// than half of that: a peak that the model works off is neither. One rung up per interval of
// overload, one down after a number of calm ones in a row. When overload comes back soon after a
// rung down, the next way down takes twice as long. Not thread-safe.
class DegradeLadder {
 public:
  // `policy` is borrowed.
  DegradeLadder(const config::DegradeConfig& config, const SchedulePolicy* policy, absl::Time now);

  // A frame of a class left the queue, for the model or as too late.
  void Waited(size_t schedule_class, absl::Duration wait);
  // Closes the intervals that are over. `waiting`: frames are in the queue, so that an interval in
  // which none left it says nothing.
  void Update(absl::Time now, bool waiting);

  const Load& load() const { return rungs_[rung_]; }
  // How long it takes, at best, to reach the rung below.
  absl::Duration TimeToRecover() const;

 private:
  void CloseInterval(bool waiting);
  void Climb();
  void Recover();
  enum class Verdict { kCalm, kNeither, kOverload, kUnknown };
  Verdict Judge(bool waiting) const;

  // Frames of a class that left the queue within an interval.
  struct Waits {
    int frames = 0;
    int above_half = 0;  // waited longer than half of the target
    int above = 0;       // waited longer than the target
  };

  const bool enabled_;
  const absl::Duration interval_;
  const int calm_intervals_;
  const SchedulePolicy* const policy_;
  absl::Time interval_end_;
  std::vector<Waits> waits_;  // by class, of this interval
  const std::vector<Load> rungs_;
  size_t rung_ = 0;
  int calm_ = 0;    // calm intervals in a row
  int needed_;      // calm intervals to the next rung down
  int since_down_;  // intervals since the last rung down
};

}  // namespace slotmatch
