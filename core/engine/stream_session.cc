#include "core/engine/stream_session.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/hash/hash.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/engine/frame_queue.h"
#include "core/engine/frame_steps.h"
#include "core/engine/session_tracks.h"

namespace slotmatch {
namespace {

uint64_t HashOf(const SourceFrame& frame) {
  return absl::HashOf(frame.bytes, frame.raw, frame.format, frame.width, frame.height);
}

class Session : public StreamSession {
 public:
  Session(std::shared_ptr<Segmenter> model, const StreamOptions& options, BatchScheduler* scheduler,
          WorkerPool* pool, OnOutcome on_outcome)
      : model_(std::move(model)),
        info_(model_->info()),
        options_(options),
        scheduler_(scheduler),
        pool_(pool),
        on_outcome_(std::move(on_outcome)),
        tracks_(options.tracker, options.resume.track),
        queue_(options.frame_policy, options.max_waiting),
        turn_(options.bridge_phase),
        computed_(options.resume),
        delivered_(options.resume) {}

  void Submit(SourceFrame source) override {
    QueuedFramePtr frame;
    bool job_needed;
    const uint64_t hash = options_.skip_duplicates ? HashOf(source) : 0;
    {
      absl::MutexLock lock(&mutex_);
      const std::optional<DropReason> dropped = WhyDropped(source, hash);
      frame = dropped.has_value() ? queue_.AddDropped(std::move(source), *dropped)
                                  : queue_.Add(std::move(source));
      job_needed = queue_.arrived() > decode_jobs_;  // the job of a dropped frame serves another
      if (job_needed) ++decode_jobs_;
    }
    if (job_needed) {
      const absl::Status queued = pool_->Submit([self = Self()] { self->RunDecode(); });
      if (!queued.ok()) RefuseArrived(frame, queued);
    }
    Deliver();
  }

  void Sent() override {
    {
      absl::MutexLock lock(&mutex_);
      --unsent_;
    }
    Advance();
  }

  void DropWaiting(DropReason reason) override {
    {
      absl::MutexLock lock(&mutex_);
      queue_.DropWaiting(reason);
    }
    Deliver();
  }

  void Cancel() override { cancelled_ = true; }

 private:
  std::shared_ptr<Session> Self() { return std::static_pointer_cast<Session>(shared_from_this()); }

  // Why the frame that has just come is left to the predictor, if it is.
  std::optional<DropReason> WhyDropped(const SourceFrame& source, uint64_t hash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (source.over_rate) return DropReason::kRate;
    if (options_.skip_duplicates && std::exchange(last_hash_, hash) == hash) {
      return DropReason::kDuplicate;
    }
    if (!options_.degradable || computed_.state.first_frame()) return std::nullopt;
    if (++turn_ % (scheduler_->load().bridged_frames + 1) == 0) return std::nullopt;
    return DropReason::kOverload;
  }

  // No job could be had for a frame just added; an older one's may have taken it meanwhile.
  void RefuseArrived(const QueuedFramePtr& frame, const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    --decode_jobs_;
    if (frame->phase == FramePhase::kArrived) EndLocked(frame.get(), status);
  }

  void RunDecode() {
    QueuedFramePtr frame;
    {
      absl::MutexLock lock(&mutex_);
      --decode_jobs_;
      frame = queue_.TakeToDecode();
    }
    if (frame == nullptr) return;
    const absl::Time start = absl::Now();
    absl::Status status = WhyNotComputed(frame->source);
    if (status.ok()) {
      status = DecodeFrame(frame->source, info_, options_.image_limits, &frame->pixels,
                           &frame->segmentation);
    }
    FrameTimings& timings = frame->segmentation.timings;
    timings.times.arrived = frame->source.arrived;
    timings.times.decode_began = start;
    timings.times.decoded = absl::Now();
    timings.decode = timings.times.decoded - start;
    frame->source.bytes = std::string();
    {
      absl::MutexLock lock(&mutex_);
      if (frame->phase != FramePhase::kDecoding) {  // dropped meanwhile
        frame->pixels = std::vector<float>();
        return;
      }
      frame->phase = FramePhase::kDecoded;
      if (!status.ok()) EndLocked(frame.get(), status);
    }
    Advance();
  }

  absl::Status WhyNotComputed(const SourceFrame& source) const {
    if (cancelled_) return absl::CancelledError("the stream was cancelled");
    if (absl::Now() > std::min(source.deadline, source.expires)) {
      return absl::DeadlineExceededError("the stream's deadline has passed");
    }
    return absl::OkStatus();
  }

  // Sends the next decoded frame to the model unless one is there, and delivers what is finished.
  void Advance() {
    QueuedFramePtr next;
    FrameJob job;
    {
      absl::MutexLock lock(&mutex_);
      if (options_.max_unsent == 0 || unsent_ < options_.max_unsent) next = queue_.TakeToCompute();
      if (next != nullptr) {
        ++unsent_;
        job.state = computed_.state;
        job.skipped = MissingBefore(next->source.id);
      }
    }
    if (next != nullptr) Compute(next, std::move(job));
    Deliver();
  }

  // Predictor steps that bring the state to the frame before `id`.
  int MissingBefore(uint64_t id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::optional<uint64_t> last = computed_.state_frame_id;
    if (!last.has_value() || id <= *last) return 0;
    return static_cast<int>(std::min(id - *last - 1, uint64_t(options_.max_gap_steps)));
  }

  void Compute(const QueuedFramePtr& frame, FrameJob job) {
    frame->segmentation.timings.times.submitted = absl::Now();
    job.model = model_;
    job.schedule_class = options_.schedule_class;
    job.tenant = options_.tenant;
    job.pixels = std::move(frame->pixels);
    job.deadline = std::min(frame->source.deadline, frame->source.expires);
    job.cancelled = [self = Self()] { return self->cancelled_.load(); };
    job.done = [self = Self(), frame](absl::StatusOr<StepOutput> output, const StepTiming& timing) {
      self->AfterCompute(frame, std::move(output), timing);
    };
    const absl::Status queued = scheduler_->Submit(std::move(job));
    if (!queued.ok()) AfterCompute(frame, queued, {});
  }

  void AfterCompute(const QueuedFramePtr& frame, absl::StatusOr<StepOutput> output,
                    const StepTiming& timing) {
    if (!output.ok()) return Fail(frame, output.status());
    const bool healthy = TakeState(frame.get(), &*output);
    FrameTimings& timings = frame->segmentation.timings;
    timings.queue = timing.queue;
    timings.compute = timing.compute;
    timings.batch_size = timing.batch_size;
    timings.times.compute_began = timing.compute_began;
    timings.times.computed = timing.compute_began + timing.compute;
    if (!healthy) return Fail(frame, absl::InternalError("the model's output is not finite"));
    auto step = std::make_shared<StepOutput>(*std::move(output));
    const absl::Status queued =
        pool_->Submit([self = Self(), frame, step] { self->RunFinish(frame, step.get()); });
    if (!queued.ok()) return Fail(frame, queued);
    Advance();  // the next frame need not wait for this one's mask
  }

  // The session's state moves on, or begins anew when it would poison every frame to come. False
  // when the output cannot be used either.
  bool TakeState(QueuedFrame* frame, StepOutput* output) {
    const StepHealth health = CheckStep(*output);
    const bool goes_on = health.output_finite && health.next_finite;
    if (health.output_finite) {
      frame->segmentation.ids = tracks_.Step(*output, info_, &frame->segmentation.health);
    }
    if (!goes_on) tracks_.Reset();
    absl::MutexLock lock(&mutex_);
    frame->phase = FramePhase::kFinishing;
    computed_.state = goes_on ? output->next_state : StreamState();
    computed_.state_frame_id.reset();  // a model of single pictures has no state
    if (!computed_.state.first_frame()) computed_.state_frame_id = frame->source.id;
    computed_.track = tracks_.bytes();
    frame->outcome.state_reset = !goes_on;
    frame->after = computed_;
    return health.output_finite;
  }

  void RunFinish(const QueuedFramePtr& frame, StepOutput* step) {
    const absl::Time start = absl::Now();
    FinishFrame(info_, options_, step, &frame->segmentation);
    const absl::Time end = absl::Now();
    frame->segmentation.timings.mask = end - start;
    frame->segmentation.timings.total = end - frame->source.arrived;
    frame->segmentation.timings.times.finished = end;
    {
      absl::MutexLock lock(&mutex_);
      frame->outcome.result = std::move(frame->segmentation);
      frame->phase = FramePhase::kDone;
    }
    Advance();
  }

  // A frame that was sent to the model ends without a result.
  void Fail(const QueuedFramePtr& frame, const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      --unsent_;
      EndLocked(frame.get(), status);
    }
    Advance();
  }

  static void EndLocked(QueuedFrame* frame, const absl::Status& status) {
    frame->phase = FramePhase::kDone;
    frame->outcome.result = status;
    frame->pixels = std::vector<float>();
    const bool late = absl::IsDeadlineExceeded(status) &&
                      frame->source.expires < std::min(frame->source.deadline, absl::Now());
    if (late) MarkDropped(DropReason::kDeadline, &frame->outcome);
  }

  // Hands over finished frames from the front. One thread at a time delivers; another that finds
  // it at work leaves its frame to it.
  void Deliver() {
    for (;;) {
      QueuedFramePtr front;
      {
        absl::MutexLock lock(&mutex_);
        if (delivering_) return;
        front = queue_.TakeDone();
        if (front == nullptr) return;
        delivering_ = true;
        if (front->after.has_value()) delivered_ = *std::move(front->after);
        delivered_.last_frame_id = front->source.id;
        front->outcome.point = delivered_;
      }
      on_outcome_(std::move(front->outcome));
      absl::MutexLock lock(&mutex_);
      delivering_ = false;
    }
  }

  const std::shared_ptr<Segmenter> model_;
  const ModelInfo& info_;  // of the model
  const StreamOptions options_;
  BatchScheduler* const scheduler_;
  WorkerPool* const pool_;
  const OnOutcome on_outcome_;
  std::atomic<bool> cancelled_{false};
  SessionTracks tracks_;  // of the one frame that is kComputing
  absl::Mutex mutex_;
  FrameQueue queue_ ABSL_GUARDED_BY(mutex_);
  int decode_jobs_ ABSL_GUARDED_BY(mutex_) = 0;     // in the pool, not yet begun
  uint64_t turn_ ABSL_GUARDED_BY(mutex_);           // counts frames, for bridging
  uint64_t last_hash_ ABSL_GUARDED_BY(mutex_) = 0;  // of the frame before, with skip_duplicates
  int unsent_ ABSL_GUARDED_BY(mutex_) = 0;          // frames from the model's queue to Sent()
  SessionPoint computed_ ABSL_GUARDED_BY(mutex_);   // after the last frame computed
  SessionPoint delivered_ ABSL_GUARDED_BY(mutex_);  // after the last outcome
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::shared_ptr<StreamSession> StreamSession::Create(std::shared_ptr<Segmenter> model,
                                                     const StreamOptions& options,
                                                     BatchScheduler* scheduler, WorkerPool* pool,
                                                     OnOutcome on_outcome) {
  return std::make_shared<Session>(std::move(model), options, scheduler, pool,
                                   std::move(on_outcome));
}

}  // namespace slotmatch
