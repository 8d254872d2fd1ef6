#include "core/engine/worker_pool.h"

#include <thread>
#include <vector>

#include "core/base/bounded_queue.h"

namespace slotmatch {

class WorkerPool::Impl {
 public:
  Impl(int num_threads, size_t max_queued) : queue_(max_queued) {
    for (int i = 0; i < num_threads; ++i) {
      threads_.emplace_back([this] {
        while (auto work = queue_.Pop()) (*work)();
      });
    }
  }

  absl::Status Submit(std::function<void()> work) {
    if (queue_.TryPush(work)) return absl::OkStatus();
    if (queue_.closed()) return absl::UnavailableError("the worker pool has stopped");
    return absl::ResourceExhaustedError("the worker pool's queue is full");
  }

  void Stop() {
    queue_.Close();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  size_t queued() const { return queue_.size(); }

 private:
  BoundedQueue<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

WorkerPool::WorkerPool(int num_threads, size_t max_queued)
    : impl_(std::make_unique<Impl>(num_threads, max_queued)) {}
WorkerPool::~WorkerPool() { Stop(); }
absl::Status WorkerPool::Submit(std::function<void()> work) {
  return impl_->Submit(std::move(work));
}
void WorkerPool::Stop() { impl_->Stop(); }
size_t WorkerPool::queued() const { return impl_->queued(); }

}  // namespace slotmatch
