#include "core/engine/batch_scheduler.h"

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace slotmatch {
namespace {

struct Queued {
  FrameJob job;
  absl::Time arrived;
};

// Frames that may share a batch.
struct BatchKey {
  const Segmenter* model;
  bool first_frame;
  friend bool operator==(const BatchKey& a, const BatchKey& b) {
    return a.model == b.model && a.first_frame == b.first_frame;
  }
};

BatchKey KeyOf(const FrameJob& job) { return {job.model.get(), job.state.first_frame()}; }

// Why a frame need not be computed any more; OK when it must be.
absl::Status WhyDropped(const FrameJob& job, absl::Time now) {
  if (job.cancelled && job.cancelled()) return absl::CancelledError("the stream was cancelled");
  if (now > job.deadline) {
    return absl::DeadlineExceededError("the frame's deadline passed while it waited for a batch");
  }
  return absl::OkStatus();
}

}  // namespace

class BatchScheduler::Impl {
 public:
  Impl(const BatchOptions& options, std::function<void(const BatchReport&)> on_batch)
      : options_(options), on_batch_(std::move(on_batch)), executor_([this] { Execute(); }) {}

  absl::Status Submit(FrameJob job) {
    if (job.model == nullptr) return absl::InvalidArgumentError("the frame has no model");
    const ModelInfo& info = job.model->info();
    const size_t wanted = size_t{3} * info.input_height_px * info.input_width_px;
    if (job.pixels.size() != wanted) {
      return absl::InvalidArgumentError(absl::StrCat("model ", info.name, " takes ", wanted,
                                                     " values a frame, got ", job.pixels.size()));
    }
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the scheduler has stopped");
    if (queue_.size() >= options_.max_queued_frames) {
      return absl::ResourceExhaustedError(
          absl::StrCat("all ", options_.max_queued_frames, " places for queued frames are taken"));
    }
    queue_.push_back({std::move(job), absl::Now()});
    return absl::OkStatus();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    absl::MutexLock lock(&join_mutex_);
    if (executor_.joinable()) executor_.join();
  }

  size_t queued_frames() const {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }
  absl::Time busy_since() const {
    absl::MutexLock lock(&mutex_);
    return busy_since_;
  }

 private:
  bool HasWorkOrStops() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }
  // Enough frames like the oldest one for a full batch.
  bool BatchIsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (stopping_ || queue_.empty()) return true;
    const BatchKey key = KeyOf(queue_.front().job);
    int alike = 0;
    for (const Queued& queued : queue_) {
      if (KeyOf(queued.job) == key && ++alike >= options_.max_batch_size) return true;
    }
    return false;
  }

  // The oldest frame and those like it, oldest first; empty at the end.
  std::vector<Queued> TakeBatch() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Impl::HasWorkOrStops));
    if (queue_.empty()) return {};
    mutex_.AwaitWithDeadline(absl::Condition(this, &Impl::BatchIsFull),
                             queue_.front().arrived + options_.max_delay);
    std::vector<Queued> batch;
    std::deque<Queued> left;
    const BatchKey key = KeyOf(queue_.front().job);
    for (Queued& queued : queue_) {
      const bool fits =
          static_cast<int>(batch.size()) < options_.max_batch_size && KeyOf(queued.job) == key;
      if (fits) {
        batch.push_back(std::move(queued));
      } else {
        left.push_back(std::move(queued));
      }
    }
    queue_ = std::move(left);
    return batch;
  }

  void Execute() {
    for (;;) {
      std::vector<Queued> batch = TakeBatch();
      if (batch.empty()) return;
      DropStale(&batch);
      if (!batch.empty()) RunBatch(&batch);
    }
  }

  void DropStale(std::vector<Queued>* batch) {
    const absl::Time now = absl::Now();
    std::vector<Queued> alive;
    for (Queued& queued : *batch) {
      const absl::Status why = WhyDropped(queued.job, now);
      if (why.ok()) {
        alive.push_back(std::move(queued));
      } else {
        queued.job.done(why, {now - queued.arrived, absl::ZeroDuration(), 0});
      }
    }
    *batch = std::move(alive);
  }

  void SetBusySince(absl::Time time) {
    absl::MutexLock lock(&mutex_);
    busy_since_ = time;
  }

  void RunBatch(std::vector<Queued>* batch) {
    std::vector<StepInput> inputs;
    for (const Queued& queued : *batch) {
      inputs.push_back(
          {absl::MakeConstSpan(queued.job.pixels), &queued.job.state, queued.job.skipped});
    }
    Segmenter& model = *batch->front().job.model;
    const absl::Time start = absl::Now();
    SetBusySince(start);
    absl::StatusOr<std::vector<StepOutput>> outputs = model.Step(inputs);
    SetBusySince(absl::InfiniteFuture());
    const absl::Duration compute = absl::Now() - start;
    const int size = static_cast<int>(batch->size());
    if (outputs.ok() && outputs->size() != batch->size()) {
      outputs = absl::InternalError("the model answered another number of frames");
    }
    if (on_batch_) on_batch_({&model.info(), size, compute, outputs.status()});
    for (size_t i = 0; i < batch->size(); ++i) {
      Queued& queued = (*batch)[i];
      const StepTiming timing{start - queued.arrived, compute, size};
      if (outputs.ok()) {
        queued.job.done(std::move((*outputs)[i]), timing);
      } else {
        queued.job.done(outputs.status(), timing);
      }
    }
  }

  const BatchOptions options_;
  const std::function<void(const BatchReport&)> on_batch_;
  mutable absl::Mutex mutex_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time busy_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Mutex join_mutex_;                             // serialises concurrent Stop() calls
  std::thread executor_ ABSL_GUARDED_BY(join_mutex_);  // last: it uses everything above
};

BatchScheduler::BatchScheduler(const BatchOptions& options,
                               std::function<void(const BatchReport&)> on_batch)
    : impl_(std::make_unique<Impl>(options, std::move(on_batch))) {}
BatchScheduler::~BatchScheduler() { Stop(); }
absl::Status BatchScheduler::Submit(FrameJob job) { return impl_->Submit(std::move(job)); }
void BatchScheduler::Stop() { impl_->Stop(); }
size_t BatchScheduler::queued_frames() const { return impl_->queued_frames(); }
absl::Time BatchScheduler::busy_since() const { return impl_->busy_since(); }

}  // namespace slotmatch
