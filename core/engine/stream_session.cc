#include "core/engine/stream_session.h"

#include <atomic>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/image/preprocess.h"

namespace slotmatch {
namespace {

absl::StatusOr<Image> Decode(const SourceFrame& frame, const ImageLimits& limits) {
  SM_RETURN_IF_ERROR(frame.readable);
  if (frame.raw) {
    return ImageFromRaw(frame.format, frame.width, frame.height, frame.bytes, limits);
  }
  return DecodeImage(frame.bytes, limits);
}

std::string EncodeMask(const LabelMap& map, MaskFormat format) {
  switch (format) {
    case MaskFormat::kNone:
      return "";
    case MaskFormat::kRaw:
      return std::string(map.labels.begin(), map.labels.end());
    case MaskFormat::kIndexRle:
      return EncodeIndexRle(map);
    case MaskFormat::kPng:
      return EncodePalettePng(map);
  }
  return "";
}

// A box on the patch grid covers whole patches of the source: rounded outwards.
void ScaleBox(int grid_width, int grid_height, int width, int height, SlotStats* stats) {
  const auto scale = [](int value, int from, int to, bool up) {
    const int64_t product = int64_t{value} * to;
    return static_cast<int>(up ? (product + from - 1) / from : product / from);
  };
  const int right = scale(stats->left + stats->width, grid_width, width, true);
  const int bottom = scale(stats->top + stats->height, grid_height, height, true);
  stats->left = scale(stats->left, grid_width, width, false);
  stats->top = scale(stats->top, grid_height, height, false);
  stats->width = right - stats->left;
  stats->height = bottom - stats->top;
}

enum class Phase { kDecoding, kDecoded, kComputing, kDone };

// A frame inside the session; fields are written by the one thread whose phase it is.
struct Entry {
  SourceFrame source;
  Phase phase = Phase::kDecoding;
  std::vector<float> pixels;  // [3, H, W]
  FrameOutcome outcome;
};

class Session : public StreamSession {
 public:
  Session(size_t model, const ModelInfo& info, const StreamOptions& options,
          BatchScheduler* scheduler, WorkerPool* pool, OnOutcome on_outcome)
      : model_(model),
        info_(info),
        options_(options),
        scheduler_(scheduler),
        pool_(pool),
        on_outcome_(std::move(on_outcome)) {}

  void Submit(SourceFrame source) override {
    auto entry = std::make_shared<Entry>();
    entry->outcome.id = source.id;
    entry->outcome.capture_time_us = source.capture_time_us;
    entry->source = std::move(source);
    {
      absl::MutexLock lock(&mutex_);
      entries_.push_back(entry);
    }
    const absl::Status queued = pool_->Submit([self = Self(), entry] { self->RunDecode(entry); });
    if (!queued.ok()) Fail(entry, queued);
  }

  void Cancel() override { cancelled_ = true; }

 private:
  using EntryPtr = std::shared_ptr<Entry>;

  std::shared_ptr<Session> Self() { return std::static_pointer_cast<Session>(shared_from_this()); }

  absl::Status WhyDropped(const Entry& entry) const {
    if (cancelled_) return absl::CancelledError("the stream was cancelled");
    if (absl::Now() > entry.source.deadline) {
      return absl::DeadlineExceededError("the stream's deadline has passed");
    }
    return absl::OkStatus();
  }

  void RunDecode(const EntryPtr& entry) {
    const absl::Time start = absl::Now();
    const absl::Status status = DecodeInto(entry.get());
    if (!status.ok()) return Fail(entry, status);
    entry->outcome.result->timings.decode = absl::Now() - start;
    {
      absl::MutexLock lock(&mutex_);
      entry->phase = Phase::kDecoded;
    }
    Advance();
  }

  absl::Status DecodeInto(Entry* entry) {
    SM_RETURN_IF_ERROR(WhyDropped(*entry));
    SM_ASSIGN_OR_RETURN(const Image image, Decode(entry->source, options_.image_limits));
    entry->source.bytes = std::string();
    entry->pixels.resize(size_t{3} * info_.input_height_px * info_.input_width_px);
    Preprocess(image, info_.preprocessing, info_.input_height_px, info_.input_width_px,
               absl::MakeSpan(entry->pixels));
    FrameSegmentation frame;
    frame.source_width = image.width;
    frame.source_height = image.height;
    entry->outcome.result = std::move(frame);
    return absl::OkStatus();
  }

  // Sends the next decoded frame to the model unless one is there, and delivers what is finished.
  void Advance() {
    if (const EntryPtr next = TakeForCompute()) Compute(next);
    Deliver();
  }

  EntryPtr TakeForCompute() {
    absl::MutexLock lock(&mutex_);
    if (computing_) return nullptr;
    for (const EntryPtr& entry : entries_) {
      if (entry->phase == Phase::kDecoding) return nullptr;  // an earlier frame is not ready yet
      if (entry->phase != Phase::kDecoded) continue;
      entry->phase = Phase::kComputing;
      computing_ = true;
      return entry;
    }
    return nullptr;
  }

  void Compute(const EntryPtr& entry) {
    FrameJob job;
    job.model = model_;
    job.pixels = std::move(entry->pixels);
    job.deadline = entry->source.deadline;
    job.cancelled = [self = Self()] { return self->cancelled_.load(); };
    {
      absl::MutexLock lock(&mutex_);
      job.state = state_;
    }
    job.done = [self = Self(), entry](absl::StatusOr<StepOutput> output, const StepTiming& timing) {
      self->AfterCompute(entry, std::move(output), timing);
    };
    const absl::Status queued = scheduler_->Submit(std::move(job));
    if (!queued.ok()) AfterCompute(entry, queued, {});
  }

  void AfterCompute(const EntryPtr& entry, absl::StatusOr<StepOutput> output,
                    const StepTiming& timing) {
    {
      absl::MutexLock lock(&mutex_);
      computing_ = false;
      if (output.ok()) state_ = std::move(output->next_state);
    }
    if (!output.ok()) return Fail(entry, output.status());
    FrameTimings& timings = entry->outcome.result->timings;
    timings.queue = timing.queue;
    timings.compute = timing.compute;
    timings.batch_size = timing.batch_size;
    auto step = std::make_shared<StepOutput>(*std::move(output));
    const absl::Status queued =
        pool_->Submit([self = Self(), entry, step] { self->RunPostProcess(entry, step.get()); });
    if (!queued.ok()) return Fail(entry, queued);
    Advance();  // the next frame need not wait for this one's mask
  }

  void RunPostProcess(const EntryPtr& entry, StepOutput* step) {
    const absl::Time start = absl::Now();
    FrameSegmentation& frame = *entry->outcome.result;
    const bool grid = options_.grid_masks;
    Segmentation segmentation =
        SegmentFromSoftMasks(step->masks, info_.num_slots, info_.grid_height, info_.grid_width,
                             grid ? info_.grid_height : frame.source_height,
                             grid ? info_.grid_width : frame.source_width);
    frame.mask_width = segmentation.map.width;
    frame.mask_height = segmentation.map.height;
    frame.mask_pixels = int64_t{frame.mask_width} * frame.mask_height;
    frame.mask_format = options_.mask_format;
    frame.mask = EncodeMask(segmentation.map, options_.mask_format);
    frame.slots = std::move(segmentation.slots);
    for (SlotStats& stats : frame.slots) {
      if (!grid || stats.area_px == 0) continue;
      ScaleBox(info_.grid_width, info_.grid_height, frame.source_width, frame.source_height,
               &stats);
    }
    frame.vectors = std::move(step->slots);
    const absl::Time end = absl::Now();
    frame.timings.mask = end - start;
    frame.timings.total = end - entry->source.arrived;
    Finish(entry);
  }

  void Fail(const EntryPtr& entry, const absl::Status& status) {
    entry->outcome.result = status;
    Finish(entry);
  }

  void Finish(const EntryPtr& entry) {
    {
      absl::MutexLock lock(&mutex_);
      entry->phase = Phase::kDone;
    }
    Advance();
  }

  // Hands over finished frames from the front. One thread at a time delivers; another that finds
  // it at work leaves its frame to it.
  void Deliver() {
    for (;;) {
      EntryPtr front;
      {
        absl::MutexLock lock(&mutex_);
        if (delivering_ || entries_.empty() || entries_.front()->phase != Phase::kDone) return;
        front = entries_.front();
        entries_.pop_front();
        delivering_ = true;
      }
      on_outcome_(std::move(front->outcome));
      absl::MutexLock lock(&mutex_);
      delivering_ = false;
    }
  }

  const size_t model_;
  const ModelInfo info_;
  const StreamOptions options_;
  BatchScheduler* const scheduler_;
  WorkerPool* const pool_;
  const OnOutcome on_outcome_;
  std::atomic<bool> cancelled_{false};
  absl::Mutex mutex_;
  std::deque<EntryPtr> entries_ ABSL_GUARDED_BY(mutex_);  // oldest first
  StreamState state_ ABSL_GUARDED_BY(mutex_);
  bool computing_ ABSL_GUARDED_BY(mutex_) = false;
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::shared_ptr<StreamSession> StreamSession::Create(size_t model, const ModelInfo& info,
                                                     const StreamOptions& options,
                                                     BatchScheduler* scheduler, WorkerPool* pool,
                                                     OnOutcome on_outcome) {
  return std::make_shared<Session>(model, info, options, scheduler, pool, std::move(on_outcome));
}

}  // namespace slotmatch
