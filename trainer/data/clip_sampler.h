#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/feature_store.h"
#include "trainer/data/random.h"

namespace slotmatch {

// One training dataset seen in one or more views: the student's tokens, then the teacher's when its
// encoder differs, then the student's keys when a loss needs them. All views hold the same videos
// in the same order.
struct ClipSource {
  std::vector<const FeatureStore*> views;  // borrowed
  double weight = 1.0;
};

struct GridSize {
  int64_t height, width;
};

struct ClipBatch {
  // Per view: raw tokens [B, T, N, D] float32; the same clips, frames and flips in every view.
  std::vector<torch::Tensor> tokens;
};

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
  struct Draw {
    size_t source;
    int64_t video, start, count;  // count: frames there are, 1 for a still image
    bool flip;
  };
  Draw DrawClip(Random* random, double total_weight) const;
  ClipSampler() = default;
  std::vector<ClipSource> sources_;
  std::vector<GridSize> grids_;
  config::DataConfig config_;
  uint64_t seed_ = 0;
};

}  // namespace slotmatch
