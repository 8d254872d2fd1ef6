#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/feature_store.h"
#include "trainer/data/random.h"
#include "trainer/data/slot_store.h"

namespace slotmatch {

// One training dataset seen in one or more views: the student's tokens, then the teacher's when its
// encoder differs, then the student's keys when a loss needs them. All views hold the same videos
// in the same order.
struct ClipSource {
  std::vector<const FeatureStore*> views;  // borrowed
  double weight = 1.0;
  const SlotStore* teacher_slots = nullptr;  // borrowed; null: none are kept
  // The view that nothing but the teacher's slots is computed from; -1: there is none.
  int slots_only_view = -1;
};

struct GridSize {
  int64_t height, width;
};

struct DrawnClip {
  size_t source = 0;
  ClipPlace place;
  torch::Tensor teacher_slots;  // [T, K, S] float32; undefined: not known
};

struct ClipBatch {
  // Per view: raw tokens [B, T, N, D] float32; the same clips, frames and flips in every view.
  // Undefined: a view of slots only, and the slots of all clips are known.
  std::vector<torch::Tensor> tokens;
  std::vector<DrawnClip> clips;  // [B]
};

// Brings tokens and known slots to the device.
void MoveTo(const torch::Device& device, ClipBatch* batch);

// Clips [first, first + count) of a batch.
struct BatchPart {
  int64_t first, count;
};

// Draws batches of clips: source by weight, video uniformly, start frame by the data config, one
// flip decision per clip (columns of the grid reversed). Batch `step` is a pure function of
// (seed, step): resuming needs no state and worker counts change nothing. A video shorter than the
// clip repeats its last frame when it has one frame (still images), else it is left out.
class ClipSampler {
 public:
  // kInvalidArgument when no video is long enough, or views disagree.
  static absl::StatusOr<ClipSampler> Create(std::vector<ClipSource> sources,
                                            std::vector<GridSize> grids,
                                            const config::DataConfig& config, uint64_t seed);
  ClipBatch Batch(int64_t step) const;  // thread-safe
  // A part of the same batch; what is not in it is not read.
  ClipBatch Batch(int64_t step, const BatchPart& part) const;

 private:
  DrawnClip DrawClip(Random* random, double total_weight) const;
  torch::Tensor Tokens(const DrawnClip& clip, size_t view) const;  // [T, N, D]
  ClipSampler() = default;
  std::vector<ClipSource> sources_;
  std::vector<GridSize> grids_;
  config::DataConfig config_;
  uint64_t seed_ = 0;
};

}  // namespace slotmatch
