#include "core/engine/batch_queue.h"

#include <algorithm>
#include <tuple>

namespace slotmatch {
namespace {

// Why a frame need not be computed any more; OK when it must be.
absl::Status WhyStale(const FrameJob& job, absl::Time now) {
  if (job.cancelled && job.cancelled()) return absl::CancelledError("the stream was cancelled");
  if (now > job.deadline) {
    return absl::DeadlineExceededError("the frame's deadline passed while it waited for a batch");
  }
  return absl::OkStatus();
}

}  // namespace

BatchQueue::BatchQueue(const SchedulePolicy* policy)
    : policy_(policy), tenants_(policy->classes.size()) {}

BatchQueue::Jobs::iterator BatchQueue::Lane::FirstOf(const Kind* kind) {
  return std::find_if(jobs.begin(), jobs.end(), [&](const QueuedJob& queued) {
    return kind == nullptr || KindOf(queued.job) == *kind;
  });
}

void BatchQueue::Add(QueuedJob queued) {
  const LaneKey key(queued.job.schedule_class, queued.job.tenant);
  ++kinds_[KindOf(queued.job)];
  ++size_;
  lanes_[key].jobs.push_back(std::move(queued));
}

void BatchQueue::Forget(const FrameJob& job) {
  const auto kind = kinds_.find(KindOf(job));
  if (--kind->second == 0) kinds_.erase(kind);
  --size_;
}

std::map<const Segmenter*, int> BatchQueue::models() const {
  std::map<const Segmenter*, int> frames;
  for (const auto& [kind, count] : kinds_) frames[kind.first] += count;
  return frames;
}

absl::Time BatchQueue::DueAt(const BatchShape& shape) const {
  absl::Time oldest = absl::InfiniteFuture();
  for (const auto& [key, lane] : lanes_) oldest = std::min(oldest, lane.jobs.front().arrived);
  const bool full = std::any_of(kinds_.begin(), kinds_.end(), [&](const auto& kind) {
    return kind.second >= policy_->BatchSize(shape.max_size, shape.max_size);
  });
  return full ? absl::InfinitePast() : oldest + shape.max_delay;
}

std::vector<std::pair<QueuedJob, absl::Status>> BatchQueue::TakeStale(absl::Time now) {
  std::vector<std::pair<QueuedJob, absl::Status>> stale;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) {
    Jobs alive;
    for (QueuedJob& queued : lane->second.jobs) {
      absl::Status why = WhyStale(queued.job, now);
      if (why.ok()) {
        alive.push_back(std::move(queued));
      } else {
        Forget(queued.job);
        stale.emplace_back(std::move(queued), std::move(why));
      }
    }
    lane->second.jobs = std::move(alive);
    lane = lane->second.jobs.empty() ? lanes_.erase(lane) : std::next(lane);
  }
  return stale;
}

std::map<BatchQueue::LaneKey, BatchQueue::Lane>::iterator BatchQueue::NextLane(const Kind* kind) {
  auto next = lanes_.end();
  std::tuple<double, double, absl::Time> best;
  for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
    const auto first = lane->second.FirstOf(kind);
    if (first == lane->second.jobs.end()) continue;
    const auto& [schedule_class, tenant] = lane->first;
    // Among equals the oldest, so that with one class and equal tenants nobody waits longer than
    // the one who came later.
    const std::tuple<double, double, absl::Time> turn(
        classes_.Start(schedule_class), tenants_[schedule_class].Start(tenant), first->arrived);
    if (next != lanes_.end() && turn >= best) continue;
    best = turn;
    next = lane;
  }
  return next;
}

QueuedJob BatchQueue::TakeFrom(std::map<LaneKey, Lane>::iterator lane, const Kind& kind) {
  const auto& [schedule_class, tenant] = lane->first;
  classes_.Charge(schedule_class, policy_->classes[schedule_class].weight);
  tenants_[schedule_class].Charge(tenant, policy_->RuleOf(tenant).weight);
  const auto first = lane->second.FirstOf(&kind);
  QueuedJob taken = std::move(*first);
  Forget(taken.job);
  lane->second.jobs.erase(first);
  if (lane->second.jobs.empty()) lanes_.erase(lane);
  return taken;
}

std::vector<QueuedJob> BatchQueue::Take(const BatchShape& shape) {
  std::vector<QueuedJob> batch;
  const auto head = NextLane(nullptr);
  if (head == lanes_.end()) return batch;
  const Kind kind = KindOf(head->second.jobs.front().job);
  const int size = policy_->BatchSize(kinds_.at(kind), shape.max_size);
  while (static_cast<int>(batch.size()) < size) batch.push_back(TakeFrom(NextLane(&kind), kind));
  return batch;
}

}  // namespace slotmatch
