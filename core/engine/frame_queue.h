#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/stream_types.h"

namespace slotmatch {

// Where a frame is. Until kComputing it waits, and may be dropped.
enum class FramePhase { kArrived, kDecoding, kDecoded, kComputing, kFinishing, kDone };

// A frame inside a session. `source` and `pixels` belong to the thread that works on the phase; the
// rest is the queue's.
struct QueuedFrame {
  SourceFrame source;
  FramePhase phase = FramePhase::kArrived;
  std::vector<float> pixels;          // [3, H, W]; from kDecoded on
  FrameSegmentation segmentation;     // from kDecoded on, filled step by step
  std::optional<SessionPoint> after;  // with this frame in the state; none: it is not
  FrameOutcome outcome;               // from kDone on
};
using QueuedFramePtr = std::shared_ptr<QueuedFrame>;

// Makes the outcome that of a dropped frame.
void MarkDropped(DropReason reason, FrameOutcome* outcome);

// The frames of one session in their order, and which of them is dropped when there are too many.
// Not thread-safe.
class FrameQueue {
 public:
  FrameQueue(FramePolicy policy, int max_waiting) : policy_(policy), max_waiting_(max_waiting) {}

  // Takes a frame in; it or waiting ones are dropped as the policy says.
  QueuedFramePtr Add(SourceFrame source);
  // Takes a frame in that is dropped already; the others stay as they are.
  QueuedFramePtr AddDropped(SourceFrame source, DropReason reason);
  // Frames nobody has begun to decode.
  int arrived() const { return Count(FramePhase::kArrived); }

  // The oldest arrived frame, now kDecoding; null when there is none.
  QueuedFramePtr TakeToDecode();
  // The oldest frame not yet computed when it is decoded and none is being computed, now
  // kComputing; else null.
  QueuedFramePtr TakeToCompute();
  // The oldest frame when it is kDone, taken out; else null.
  QueuedFramePtr TakeDone();

  // Ends a frame that waits; one that does not is left alone.
  void Drop(const QueuedFramePtr& frame, DropReason reason);
  void DropWaiting(DropReason reason);

 private:
  QueuedFramePtr Append(SourceFrame source);
  static bool Waits(const QueuedFrame& frame) { return frame.phase <= FramePhase::kDecoded; }
  int Count(FramePhase phase) const;
  int Waiting() const;
  QueuedFramePtr OldestWaiting() const;

  const FramePolicy policy_;
  const int max_waiting_;
  std::deque<QueuedFramePtr> frames_;  // oldest first
};

}  // namespace slotmatch
