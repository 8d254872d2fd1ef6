#include "core/engine/frame_queue.h"

#include <algorithm>
#include <utility>

namespace slotmatch {
namespace {

struct DropRow {
  DropReason reason;
  const char* message;
};
constexpr DropRow kDropTable[] = {
    {DropReason::kQueueFull, "more frames wait than the server keeps"},
    {DropReason::kSuperseded, "a newer frame came before this one was computed"},
    {DropReason::kDeadline, "the frame was older than its deadline before it was computed"},
    {DropReason::kDraining, "the server shuts down before it could compute the frame"},
    {DropReason::kOverload, "the server is overloaded and bridges some frames of this session"},
    {DropReason::kRate, "the session sends more frames a second than limits.max_frames_per_s"},
    {DropReason::kDuplicate, "the frame has the same bytes as the one before it"},
};

}  // namespace

void MarkDropped(DropReason reason, FrameOutcome* outcome) {
  outcome->dropped = reason;
  for (const DropRow& row : kDropTable) {
    if (row.reason == reason) outcome->result = absl::AbortedError(row.message);
  }
}

int FrameQueue::Count(FramePhase phase) const {
  return static_cast<int>(std::count_if(frames_.begin(), frames_.end(),
                                        [&](const auto& frame) { return frame->phase == phase; }));
}

int FrameQueue::Waiting() const {
  return static_cast<int>(std::count_if(frames_.begin(), frames_.end(),
                                        [](const auto& frame) { return Waits(*frame); }));
}

QueuedFramePtr FrameQueue::OldestWaiting() const {
  const auto found =
      std::find_if(frames_.begin(), frames_.end(), [](const auto& frame) { return Waits(*frame); });
  return found == frames_.end() ? nullptr : *found;
}

void FrameQueue::Drop(const QueuedFramePtr& frame, DropReason reason) {
  if (!Waits(*frame)) return;
  if (frame->phase != FramePhase::kDecoding) {  // else a worker reads it, and lets go of it
    frame->source.bytes = std::string();
    frame->pixels = std::vector<float>();
  }
  frame->phase = FramePhase::kDone;
  MarkDropped(reason, &frame->outcome);
}

void FrameQueue::DropWaiting(DropReason reason) {
  for (const QueuedFramePtr& frame : frames_) Drop(frame, reason);
}

QueuedFramePtr FrameQueue::Append(SourceFrame source) {
  auto frame = std::make_shared<QueuedFrame>();
  frame->outcome.id = source.id;
  frame->outcome.capture_time_us = source.capture_time_us;
  frame->source = std::move(source);
  frames_.push_back(frame);
  return frame;
}

QueuedFramePtr FrameQueue::AddDropped(SourceFrame source, DropReason reason) {
  QueuedFramePtr frame = Append(std::move(source));
  Drop(frame, reason);
  return frame;
}

QueuedFramePtr FrameQueue::Add(SourceFrame source) {
  if (policy_ == FramePolicy::kLatestOnly) DropWaiting(DropReason::kSuperseded);
  const bool full = policy_ != FramePolicy::kBlock && Waiting() >= max_waiting_;
  if (full && policy_ == FramePolicy::kDropOldest) Drop(OldestWaiting(), DropReason::kQueueFull);
  QueuedFramePtr frame = Append(std::move(source));
  if (full && policy_ == FramePolicy::kDropNewest) Drop(frame, DropReason::kQueueFull);
  return frame;
}

QueuedFramePtr FrameQueue::TakeToDecode() {
  for (const QueuedFramePtr& frame : frames_) {
    if (frame->phase != FramePhase::kArrived) continue;
    frame->phase = FramePhase::kDecoding;
    return frame;
  }
  return nullptr;
}

QueuedFramePtr FrameQueue::TakeToCompute() {
  if (Count(FramePhase::kComputing) > 0) return nullptr;
  const QueuedFramePtr next = OldestWaiting();
  if (next == nullptr || next->phase != FramePhase::kDecoded) return nullptr;
  next->phase = FramePhase::kComputing;
  return next;
}

QueuedFramePtr FrameQueue::TakeDone() {
  if (frames_.empty() || frames_.front()->phase != FramePhase::kDone) return nullptr;
  QueuedFramePtr done = std::move(frames_.front());
  frames_.pop_front();
  return done;
}

}  // namespace slotmatch
