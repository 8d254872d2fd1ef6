#include "tests/support/fake_segmenter.h"

#include <cmath>
#include <limits>

#include "absl/time/clock.h"

namespace slotmatch {
namespace {

constexpr float kLargest = 64;

ModelInfo TinyInfo(const std::string& name, int version) {
  ModelInfo info;
  info.name = name;
  info.version = std::to_string(version);
  info.digest = std::string(64, static_cast<char>('a' + (version - 1) % 6));
  info.role = "student";
  info.num_slots = 3;
  info.slot_dim = 4;
  info.grid_height = 4;
  info.grid_width = 4;
  info.input_height_px = 8;
  info.input_width_px = 8;
  return info;
}

}  // namespace

FakeSegmenter::FakeSegmenter(const std::string& name, int version)
    : info_(TinyInfo(name, version)), bias_(static_cast<float>(version - 1)) {}

StepOutput FakeSegmenter::StepOne(const StepInput& input) const {
  StreamState state = *input.state;
  for (int i = 0; i < input.skipped; ++i) {
    for (float& value : state.slots) value = std::fmod(3 * value + 1, kLargest);
    ++state.step;
  }
  double sum = 0;
  for (const float value : input.pixels) sum += value;
  const auto mean = static_cast<float>(sum / static_cast<double>(input.pixels.size()));
  StepOutput output;
  for (int i = 0; i < info_.num_slots * info_.slot_dim; ++i) {
    const float previous = state.first_frame() ? 0.0f : state.slots[i];
    output.slots.push_back(
        std::fmod(2 * previous + mean + bias_ + 0.01f * static_cast<float>(i), kLargest));
  }
  const int tokens = info_.grid_height * info_.grid_width;
  for (int k = 0; k < info_.num_slots; ++k) {
    for (int n = 0; n < tokens; ++n) {
      const bool owner = (n / info_.grid_width + state.step) % info_.num_slots == k;
      output.masks.push_back(owner ? 0.8f : 0.1f);
    }
  }
  output.next_state = {output.slots, state.step + 1};
  return output;
}

absl::StatusOr<std::vector<StepOutput>> FakeSegmenter::Step(absl::Span<const StepInput> batch) {
  absl::Duration delay;
  bool poisoned, stateless;
  {
    absl::MutexLock lock(&mutex_);
    Batch record{static_cast<int>(batch.size()), batch[0].state->first_frame(), false};
    for (const StepInput& input : batch) {
      record.mixed |= input.state->first_frame() != record.first_frames;
    }
    batches_.push_back(record);
    ++inside_;
    mutex_.Await(absl::Condition(this, &FakeSegmenter::Free));
    --inside_;
    delay = delay_;
    poisoned = std::exchange(poison_next_, false);
    stateless = stateless_;
    if (!next_status_.ok()) return std::exchange(next_status_, absl::OkStatus());
  }
  absl::SleepFor(delay);
  std::vector<StepOutput> outputs;
  for (const StepInput& input : batch) outputs.push_back(StepOne(input));
  for (StepOutput& output : outputs) {
    if (stateless) output.next_state = StreamState();
  }
  if (poisoned && !stateless)
    outputs[0].next_state.slots[0] = std::numeric_limits<float>::quiet_NaN();
  return outputs;
}

void FakeSegmenter::Hold() {
  absl::MutexLock lock(&mutex_);
  held_ = true;
}

void FakeSegmenter::Release() {
  absl::MutexLock lock(&mutex_);
  held_ = false;
}

bool FakeSegmenter::WaitUntilInside(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(this, &FakeSegmenter::Inside), patience);
}

void FakeSegmenter::FailNext(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  next_status_ = status;
}

void FakeSegmenter::PoisonNext() {
  absl::MutexLock lock(&mutex_);
  poison_next_ = true;
}

void FakeSegmenter::ForgetState() {
  absl::MutexLock lock(&mutex_);
  stateless_ = true;
}

void FakeSegmenter::SetDelay(absl::Duration delay) {
  absl::MutexLock lock(&mutex_);
  delay_ = delay;
}

std::vector<FakeSegmenter::Batch> FakeSegmenter::batches() const {
  absl::MutexLock lock(&mutex_);
  return batches_;
}

int FakeSegmenter::num_frames() const {
  absl::MutexLock lock(&mutex_);
  int frames = 0;
  for (const Batch& batch : batches_) frames += batch.size;
  return frames;
}

void FakeSegmenter::Forget() {
  absl::MutexLock lock(&mutex_);
  batches_.clear();
}

}  // namespace slotmatch
