#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace slotmatch {

// A fixed number of threads over one bounded queue. Thread-safe.
class WorkerPool {
 public:
  WorkerPool(int num_threads, size_t max_queued);
  ~WorkerPool();  // Stop()

  // RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE after Stop(). `work` must not throw and
  // should not block.
  absl::Status Submit(std::function<void()> work);

  // Refuses new work, finishes what is queued, joins. Idempotent.
  void Stop();
  size_t queued() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slotmatch
