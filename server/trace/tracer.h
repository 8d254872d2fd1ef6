#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/engine/stream_types.h"
#include "server/trace/trace_context.h"

namespace slotmatch {

// A frame with a result that has left the server.
struct FrameTrace {
  std::string session_id;
  std::string model;
  uint64_t frame_id = 0;
  FrameTimes times;
  absl::Time written;
  int batch_size = 0;
  TraceContext call;
};

struct BatchTrace {
  std::string model;
  absl::Time began;
  absl::Duration compute;
  int size = 0;
};

struct TraceRecording {
  absl::Time began;
  std::vector<FrameTrace> frames;
  std::vector<BatchTrace> batches;
  int64_t not_recorded = 0;  // frames and batches beyond the bound
};

// Records frames and batches between Start() and Stop(), in bounded memory; costs one atomic load
// per frame otherwise. Thread-safe.
class Tracer {
 public:
  // FAILED_PRECONDITION when it records already, INVALID_ARGUMENT for fewer than 1 or more than
  // kMaxFrames frames.
  absl::Status Start(int64_t max_frames);
  // FAILED_PRECONDITION when it does not record.
  absl::StatusOr<TraceRecording> Stop();

  bool recording() const { return recording_.load(std::memory_order_relaxed); }
  void Record(FrameTrace frame);
  void Record(BatchTrace batch);

  static constexpr int64_t kMaxFrames = 100000;

 private:
  std::atomic<bool> recording_{false};
  absl::Mutex mutex_;
  int64_t max_frames_ ABSL_GUARDED_BY(mutex_) = 0;
  TraceRecording recording_now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace slotmatch
