#pragma once

#include <functional>
#include <vector>

#include "tests/support/fake_segmenter.h"

namespace slotmatch {

// A FakeSegmenter whose batches take `fixed` + size * `per_frame` of a time that `pass` lets pass:
// the cost of a model without its work. Not thread-safe.
class TimedSegmenter : public Segmenter {
 public:
  TimedSegmenter(absl::Duration fixed, absl::Duration per_frame,
                 std::function<void(absl::Duration)> pass)
      : fixed_(fixed), per_frame_(per_frame), pass_(std::move(pass)) {}

  const ModelInfo& info() const override { return fake_.info(); }
  absl::StatusOr<std::vector<StepOutput>> Step(absl::Span<const StepInput> batch) override {
    pass_(TimeOf(static_cast<int>(batch.size())));
    return fake_.Step(batch);
  }
  absl::Duration TimeOf(int size) const { return fixed_ + per_frame_ * size; }
  // Frames per second of batches of this size.
  double Capacity(int size) const { return size / absl::ToDoubleSeconds(TimeOf(size)); }

 private:
  const absl::Duration fixed_;
  const absl::Duration per_frame_;
  const std::function<void(absl::Duration)> pass_;
  FakeSegmenter fake_;
};

}  // namespace slotmatch
