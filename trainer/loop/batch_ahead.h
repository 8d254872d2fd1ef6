#pragma once

#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/bounded_queue.h"
#include "trainer/data/clip_sampler.h"

namespace slotmatch {

// Draws a part of the batches [first, end) ahead and brings it to the device, two at most, in a
// thread of its own. Next() belongs to one thread. The sampler is borrowed.
class BatchAhead {
 public:
  BatchAhead(const ClipSampler& sampler, const BatchPart& part, const torch::Device& device,
             int64_t first, int64_t end)
      : queue_(2), thread_([this, &sampler, part, device, first, end] {
          for (int64_t step = first; step < end; ++step) {
            ClipBatch batch = sampler.Batch(step, part);
            MoveTo(device, &batch);
            if (!queue_.Push(std::move(batch))) return;
          }
          queue_.Close();
        }) {}
  ~BatchAhead() {
    queue_.Close();
    thread_.join();
  }
  std::optional<ClipBatch> Next() { return queue_.Pop(); }

 private:
  BoundedQueue<ClipBatch> queue_;
  std::thread thread_;
};

}  // namespace slotmatch
