#include "core/engine/degrade_ladder.h"

#include <algorithm>

namespace slotmatch {
namespace {

constexpr int kMostPatience = 8;  // needed calm intervals, as a multiple of those configured

std::vector<Load> MakeRungs(int max_bridged_frames) {
  std::vector<Load> rungs = {{LoadLevel::kNormal, 0}, {LoadLevel::kLargerBatches, 0}};
  const int first = std::min(1, max_bridged_frames);
  if (first > 0) rungs.push_back({LoadLevel::kBridgedFrames, first});
  rungs.push_back({LoadLevel::kNoNewSessions, first});
  for (int bridged = 2; bridged <= max_bridged_frames; bridged *= 2) {
    rungs.push_back({LoadLevel::kNoNewSessions, bridged});
  }
  return rungs;
}

}  // namespace

DegradeLadder::DegradeLadder(const config::DegradeConfig& config, const SchedulePolicy* policy,
                             absl::Time now)
    : enabled_(config.enabled()),
      interval_(absl::Milliseconds(config.interval_ms())),
      calm_intervals_(config.calm_intervals()),
      policy_(policy),
      interval_end_(now + interval_),
      waits_(policy->classes.size()),
      rungs_(MakeRungs(config.max_bridged_frames())),
      needed_(calm_intervals_),
      since_down_(kMostPatience * calm_intervals_) {}

void DegradeLadder::Waited(size_t schedule_class, absl::Duration wait) {
  const absl::Duration target = policy_->classes[schedule_class].target_wait;
  Waits& waits = waits_[schedule_class];
  ++waits.frames;
  waits.above_half += wait > target / 2;
  waits.above += wait > target;
}

DegradeLadder::Verdict DegradeLadder::Judge(bool waiting) const {
  int frames = 0;
  Verdict verdict = Verdict::kCalm;
  for (const Waits& waits : waits_) {
    frames += waits.frames;
    if (2 * waits.above > waits.frames) return Verdict::kOverload;
    if (10 * waits.above_half > waits.frames) verdict = Verdict::kNeither;
  }
  return frames == 0 && waiting ? Verdict::kUnknown : verdict;
}

void DegradeLadder::Climb() {
  calm_ = 0;
  if (rung_ + 1 == rungs_.size()) return;
  ++rung_;
  const bool relapse = since_down_ <= needed_;
  needed_ = relapse ? std::min(2 * needed_, kMostPatience * calm_intervals_) : needed_;
  since_down_ = kMostPatience * calm_intervals_;
}

void DegradeLadder::Recover() {
  if (++calm_ < needed_) return;
  calm_ = 0;
  if (rung_ == 0) {
    needed_ = calm_intervals_;  // it lasted
    return;
  }
  --rung_;
  since_down_ = 0;
}

void DegradeLadder::CloseInterval(bool waiting) {
  const Verdict verdict = Judge(waiting);
  std::fill(waits_.begin(), waits_.end(), Waits());
  since_down_ = std::min(since_down_ + 1, kMostPatience * calm_intervals_);
  if (verdict == Verdict::kOverload) Climb();
  if (verdict == Verdict::kNeither) calm_ = 0;
  if (verdict == Verdict::kCalm) Recover();
}

void DegradeLadder::Update(absl::Time now, bool waiting) {
  if (!enabled_) return;
  // After a long silence the intervals beyond full recovery change nothing.
  const absl::Duration all = interval_ * (rungs_.size() * kMostPatience * calm_intervals_);
  interval_end_ = std::max(interval_end_, now - all);
  for (; interval_end_ <= now; interval_end_ += interval_) CloseInterval(waiting);
}

absl::Duration DegradeLadder::TimeToRecover() const { return interval_ * (needed_ - calm_); }

}  // namespace slotmatch
