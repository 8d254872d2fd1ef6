#include "core/engine/batch_scheduler.h"

#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/engine/batch_cost.h"
#include "core/engine/batch_queue.h"

namespace slotmatch {

class BatchScheduler::Impl {
 public:
  explicit Impl(SchedulerOptions options)
      : options_(std::move(options)),
        queue_(&options_.policy),
        ladder_(options_.degrade, &options_.policy, options_.clock->Now()) {
    if (options_.own_thread) executor_ = std::thread([this] { Execute(); });
  }

  absl::Status Submit(FrameJob job) {
    if (job.model == nullptr) return absl::InvalidArgumentError("the frame has no model");
    const ModelInfo& info = job.model->info();
    const size_t wanted = size_t{3} * info.input_height_px * info.input_width_px;
    if (job.pixels.size() != wanted) {
      return absl::InvalidArgumentError(absl::StrCat("model ", info.name, " takes ", wanted,
                                                     " values a frame, got ", job.pixels.size()));
    }
    const size_t most = options_.policy.max_queued_frames;
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the scheduler has stopped");
    if (queue_.size() >= most) {
      return absl::ResourceExhaustedError(
          absl::StrCat("all ", most, " places for queued frames are taken"));
    }
    queue_.Add({std::move(job), options_.clock->Now()});
    return absl::OkStatus();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    absl::MutexLock lock(&join_mutex_);
    if (executor_.joinable()) executor_.join();
    while (RunDue()) {  // without a thread there may be some left
    }
  }

  bool RunDue() {
    const absl::Time now = options_.clock->Now();
    std::vector<std::pair<QueuedJob, absl::Status>> stale;
    std::vector<QueuedJob> batch;
    bool load_changed;
    {
      absl::MutexLock lock(&mutex_);
      stale = queue_.TakeStale(now);
      if (stopping_ || queue_.DueAt(Shape()) <= now) batch = queue_.Take(Shape());
      for (const auto& [queued, why] : stale) {
        if (absl::IsDeadlineExceeded(why)) Waited(queued, now);
      }
      for (const QueuedJob& queued : batch) Waited(queued, now);
      load_changed = UpdateLoad(now);
    }
    if (load_changed && options_.on_load) options_.on_load(load());
    for (auto& [queued, why] : stale) {
      queued.job.done(why, {now - queued.arrived, absl::ZeroDuration(), 0});
    }
    if (!batch.empty()) RunBatch(&batch);
    return !(stale.empty() && batch.empty());
  }

  void Tick() {
    bool load_changed;
    {
      absl::MutexLock lock(&mutex_);
      load_changed = UpdateLoad(options_.clock->Now());
    }
    if (load_changed && options_.on_load) options_.on_load(load());
  }

  const SchedulePolicy& policy() const { return options_.policy; }
  Load load() const { return load_; }
  absl::Duration TimeToRecover() const {
    absl::MutexLock lock(&mutex_);
    return ladder_.TimeToRecover();
  }
  absl::Duration ProjectedWait(const std::string& model, int more) const {
    absl::MutexLock lock(&mutex_);
    std::map<std::string, int> frames = {{model, more}};
    for (const auto& [waiting, count] : queue_.models()) frames[waiting->info().name] += count;
    absl::Duration wait;
    for (const auto& [name, count] : frames) {
      const auto cost = costs_.find(name);
      if (cost != costs_.end()) wait += cost->second.TimeFor(count, Shape().max_size);
    }
    return wait;
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
  BatchShape Shape() const {
    return load().level >= LoadLevel::kLargerBatches ? options_.policy.degraded
                                                     : options_.policy.normal;
  }
  bool HasWorkOrStops() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || queue_.size() > 0;
  }
  bool BatchIsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || queue_.DueAt(Shape()) == absl::InfinitePast();
  }

  // False when there will be no more work.
  bool AwaitBatch() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Impl::HasWorkOrStops));
    if (queue_.size() == 0) return false;
    mutex_.AwaitWithDeadline(absl::Condition(this, &Impl::BatchIsFull), queue_.DueAt(Shape()));
    return true;
  }

  void Execute() {
    while (AwaitBatch()) RunDue();
  }

  void Waited(const QueuedJob& queued, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ladder_.Waited(queued.job.schedule_class, now - queued.arrived);
  }
  // True when the load has changed.
  bool UpdateLoad(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ladder_.Update(now, queue_.size() > 0);
    return load_.exchange(ladder_.load()) != ladder_.load();
  }
  void SetBusySince(absl::Time time) {
    absl::MutexLock lock(&mutex_);
    busy_since_ = time;
  }

  // Time it took; `outputs` are of the batch or none.
  absl::Duration Compute(const std::vector<QueuedJob>& batch, absl::Time start,
                         absl::StatusOr<std::vector<StepOutput>>* outputs) {
    std::vector<StepInput> inputs;
    for (const auto& [job, arrived] : batch) {
      inputs.push_back({absl::MakeConstSpan(job.pixels), &job.state, job.skipped});
    }
    Segmenter& model = *batch.front().job.model;
    SetBusySince(start);
    *outputs = model.Step(inputs);
    SetBusySince(absl::InfiniteFuture());
    const absl::Duration compute = options_.clock->Now() - start;
    if (outputs->ok() && (*outputs)->size() != batch.size()) {
      *outputs = absl::InternalError("the model answered another number of frames");
    }
    if (outputs->ok()) {
      absl::MutexLock lock(&mutex_);
      costs_[model.info().name].Learn(static_cast<int>(batch.size()), compute);
    }
    return compute;
  }

  void RunBatch(std::vector<QueuedJob>* batch) {
    const absl::Time start = options_.clock->Now();
    absl::StatusOr<std::vector<StepOutput>> outputs = absl::UnknownError("not computed");
    const absl::Duration compute = Compute(*batch, start, &outputs);
    BatchReport report{&batch->front().job.model->info(),
                       static_cast<int>(batch->size()),
                       compute,
                       outputs.status(),
                       {},
                       start};
    for (const auto& [job, arrived] : *batch) {
      report.waits.emplace_back(job.schedule_class, start - arrived);
    }
    if (options_.on_batch) options_.on_batch(report);
    for (size_t i = 0; i < batch->size(); ++i) {
      auto& [job, arrived] = (*batch)[i];
      const StepTiming timing{start - arrived, compute, report.batch_size, start};
      if (outputs.ok()) {
        job.done(std::move((*outputs)[i]), timing);
      } else {
        job.done(outputs.status(), timing);
      }
    }
  }

  const SchedulerOptions options_;
  std::atomic<Load> load_{Load()};  // the ladder's
  mutable absl::Mutex mutex_;
  BatchQueue queue_ ABSL_GUARDED_BY(mutex_);
  DegradeLadder ladder_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, BatchCost> costs_ ABSL_GUARDED_BY(mutex_);  // by model, all versions
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time busy_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Mutex join_mutex_;                             // serialises concurrent Stop() calls
  std::thread executor_ ABSL_GUARDED_BY(join_mutex_);  // last: it uses everything above
};

BatchScheduler::BatchScheduler(SchedulerOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
BatchScheduler::~BatchScheduler() { Stop(); }
absl::Status BatchScheduler::Submit(FrameJob job) { return impl_->Submit(std::move(job)); }
void BatchScheduler::Stop() { impl_->Stop(); }
bool BatchScheduler::RunDue() { return impl_->RunDue(); }
void BatchScheduler::Tick() { impl_->Tick(); }
const SchedulePolicy& BatchScheduler::policy() const { return impl_->policy(); }
Load BatchScheduler::load() const { return impl_->load(); }
absl::Duration BatchScheduler::TimeToRecover() const { return impl_->TimeToRecover(); }
absl::Duration BatchScheduler::ProjectedWait(const std::string& model, int more) const {
  return impl_->ProjectedWait(model, more);
}
size_t BatchScheduler::queued_frames() const { return impl_->queued_frames(); }
absl::Time BatchScheduler::busy_since() const { return impl_->busy_since(); }

}  // namespace slotmatch
