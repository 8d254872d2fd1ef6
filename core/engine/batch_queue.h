#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/engine/fair_share.h"
#include "core/engine/frame_job.h"
#include "core/engine/schedule_policy.h"

namespace slotmatch {

// Frames of all streams that wait for the model, and which of them are next. Classes share the
// model by weight, the tenants of a class share its part by weight, and the frames of a tenant come
// oldest first; since a stream has one frame here, its streams take turns. Deterministic; not
// thread-safe.
class BatchQueue {
 public:
  // `policy` is borrowed.
  explicit BatchQueue(const SchedulePolicy* policy);

  void Add(QueuedJob job);

  // When the next batch is due: at once when it is full, else as soon as the frame that waits
  // longest has waited for max_delay. InfiniteFuture when nothing waits.
  absl::Time DueAt(const BatchShape& shape) const;

  // Takes the frames that need not be computed any more, each with the reason: CANCELLED or
  // DEADLINE_EXCEEDED.
  std::vector<std::pair<QueuedJob, absl::Status>> TakeStale(absl::Time now);

  // The next batch: frames of one model, all first frames or all later ones, first the one whose
  // turn it is; empty when nothing waits.
  std::vector<QueuedJob> Take(const BatchShape& shape);

  size_t size() const { return size_; }
  // How many frames of each model wait.
  std::map<const Segmenter*, int> models() const;

 private:
  // Frames that may share a batch: model, and whether they are first ones.
  using Kind = std::pair<const Segmenter*, bool>;
  // Frames of one tenant in one class, oldest first.
  using Jobs = std::deque<QueuedJob>;
  struct Lane {
    Jobs jobs;
    Jobs::iterator FirstOf(const Kind* kind);  // null: of any kind
  };
  using LaneKey = std::pair<size_t, std::string>;  // class, tenant

  static Kind KindOf(const FrameJob& job) { return {job.model.get(), job.state.first_frame()}; }
  // The lane whose turn it is among those with a frame of `kind`; end() when there is none.
  std::map<LaneKey, Lane>::iterator NextLane(const Kind* kind);
  QueuedJob TakeFrom(std::map<LaneKey, Lane>::iterator lane, const Kind& kind);
  void Forget(const FrameJob& job);

  const SchedulePolicy* const policy_;
  std::map<LaneKey, Lane> lanes_;  // none is empty
  std::map<Kind, int> kinds_;      // frames of each
  size_t size_ = 0;
  FairShare<size_t> classes_;
  std::vector<FairShare<std::string>> tenants_;  // by class
};

}  // namespace slotmatch
