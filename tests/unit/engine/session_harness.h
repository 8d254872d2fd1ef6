#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/engine/stream_session.h"
#include "core/image/preprocess.h"
#include "tests/support/fake_segmenter.h"
#include "tests/support/pictures.h"

namespace slotmatch {

// The outcomes of one stream, in the order they came.
class Outcomes {
 public:
  void Add(FrameOutcome outcome) {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(inside_) << "two outcomes at a time";
    inside_ = true;
    mutex_.Unlock();
    mutex_.Lock();
    inside_ = false;
    outcomes_.push_back(std::move(outcome));
  }
  std::vector<FrameOutcome> Wait(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_NO_THREAD_SAFETY_ANALYSIS { return outcomes_.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20)));
    return outcomes_;
  }
  size_t size() {
    absl::MutexLock lock(&mutex_);
    return outcomes_.size();
  }

 private:
  absl::Mutex mutex_;
  bool inside_ = false;
  std::vector<FrameOutcome> outcomes_;
};

// Sessions over a FakeSegmenter, without a server.
class SessionHarness : public testing::Test {
 protected:
  SessionHarness() { Start(3, 64); }
  ~SessionHarness() override {
    fake_.Release();
    Stop();
  }
  void Start(int threads, size_t max_queued) {
    SchedulerOptions options;
    options.policy.normal.max_delay = absl::ZeroDuration();
    pool_ = std::make_unique<WorkerPool>(threads, max_queued);
    scheduler_ = std::make_unique<BatchScheduler>(options);
  }
  void Stop() {
    scheduler_->Stop();
    pool_->Stop();
  }
  std::shared_ptr<StreamSession> Open(Outcomes* outcomes, const StreamOptions& options = {}) {
    return StreamSession::Create(
        Borrowed(&fake_), options, scheduler_.get(), pool_.get(),
        [outcomes](FrameOutcome outcome) { outcomes->Add(std::move(outcome)); });
  }
  static SourceFrame PngFrame(uint64_t id, const Image& image) {
    SourceFrame frame;
    frame.id = id;
    frame.capture_time_us = static_cast<int64_t>(id) * 1000;
    frame.bytes = PngBytes(image);
    frame.arrived = absl::Now();
    return frame;
  }
  static SourceFrame PngFrame(uint64_t id) {
    return PngFrame(id, MakePicture(9, 9, static_cast<uint32_t>(id)));
  }
  static SourceFrame BadFrame(uint64_t id) {
    SourceFrame frame;
    frame.id = id;
    frame.bytes = "no picture";
    return frame;
  }
  // One step of the model on `picture`, `skipped` frames after `state`.
  StepOutput StepOn(const Image& picture, const StreamState& state, int skipped = 0) const {
    std::vector<float> pixels(3 * 8 * 8);
    Preprocess(picture, fake_.info().preprocessing, 8, 8, absl::MakeSpan(pixels));
    return fake_.StepOne({pixels, &state, skipped});
  }
  // Slots of these pictures, one after the other, without engine or threads.
  std::vector<std::vector<float>> Expected(const std::vector<Image>& pictures) const {
    std::vector<std::vector<float>> slots;
    StreamState state;
    for (const Image& picture : pictures) {
      StepOutput output = StepOn(picture, state);
      slots.push_back(output.slots);
      state = output.next_state;
    }
    return slots;
  }

  FakeSegmenter fake_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<BatchScheduler> scheduler_;
};

}  // namespace slotmatch
