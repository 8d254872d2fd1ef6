#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/engine/segmenter.h"

namespace slotmatch {

// A Segmenter of a few additions. Slots of a frame are 2 * previous slots + the picture's mean, a
// missing frame makes 3 * previous slots + 1 of them, both modulo 64: a frame lost, repeated or
// computed out of order shows in every later one. Masks depend on the step. It can be held, made to
// fail, and remembers its batches. Thread-safe.
class FakeSegmenter : public Segmenter {
 public:
  struct Batch {
    int size = 0;
    bool first_frames = false;
    bool mixed = false;  // first and later frames in one batch: never right
  };

  // Versions, which are numbers, differ in digest and slots.
  explicit FakeSegmenter(const std::string& name = "fake", int version = 1);

  const ModelInfo& info() const override { return info_; }
  absl::StatusOr<std::vector<StepOutput>> Step(absl::Span<const StepInput> batch) override;

  // What Step() gives for one frame alone.
  StepOutput StepOne(const StepInput& input) const;

  // Steps wait from Hold() until Release(). WaitUntilInside(): a step has begun to wait.
  void Hold();
  void Release();
  bool WaitUntilInside(absl::Duration patience = absl::Seconds(10));
  // The next step fails.
  void FailNext(const absl::Status& status);
  // The next state of the first frame of the next step holds a NaN.
  void PoisonNext();
  // From now on it is a model of single pictures: every frame is a first one.
  void ForgetState();
  // Every step takes this long.
  void SetDelay(absl::Duration delay);

  std::vector<Batch> batches() const;
  int num_frames() const;  // in all batches
  void Forget();           // the batches up to now

 private:
  bool Free() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_; }
  bool Inside() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return inside_ > 0; }

  const ModelInfo info_;
  const float bias_;  // of the slots
  mutable absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status next_status_ ABSL_GUARDED_BY(mutex_);
  bool stateless_ ABSL_GUARDED_BY(mutex_) = false;
  bool poison_next_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration delay_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  std::vector<Batch> batches_ ABSL_GUARDED_BY(mutex_);
};

// A segmenter that the test owns, for those who would share it.
inline std::shared_ptr<Segmenter> Borrowed(Segmenter* segmenter) {
  return {std::shared_ptr<void>(), segmenter};
}

}  // namespace slotmatch
