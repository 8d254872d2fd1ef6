#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/progress.h"
#include "trainer/data/dataset.h"

namespace slotmatch {

// The frozen encoder as the cache sees it.
struct FeatureExtractor {
  // [B, 3, H, W] preprocessed -> raw backbone tokens, or keys, [B, N, D] float32.
  std::function<torch::Tensor(const torch::Tensor&)> encode;
  std::string digest;  // of backbone weights, depth and what is taken: part of every cache key
  config::Preprocessing preprocessing;
  // Kind other than NONE: a random crop takes the place of preprocessing's geometry, one for all
  // frames of a video, a function of (crop_seed, crop_variant, the video's content).
  config::RandomCrop crop;
  int crop_variant = 0;
  uint64_t crop_seed = 0;
  int input_height_px = 0;
  int input_width_px = 0;
  int64_t num_tokens = 0;  // N
  int64_t token_dim = 0;   // D
  int batch_frames = 16;
  // Of `shares` processes that open the same dataset at the same time, this is number `share`: each
  // begins at another video, so that they share the work.
  int share = 0, shares = 1;
  // Asked between batches; true ends Open() with kCancelled. May be empty.
  std::function<bool()> stop;
};

// Backbone tokens of every frame of a dataset, F16, memory-mapped from files under `cache_dir`:
// one file per video, named by SHA-256 of (content key, extractor digest, preprocessing, size,
// crop). Missing files are computed once, written atomically; several processes may share a folder.
// A video that cannot be read is skipped with one warning naming it, and counted.
class FeatureStore {
 public:
  static absl::StatusOr<std::unique_ptr<FeatureStore>> Open(const VideoDataset& dataset,
                                                            const FeatureExtractor& extractor,
                                                            const std::string& cache_dir,
                                                            Progress* progress);
  virtual ~FeatureStore() = default;
  virtual int64_t num_videos() const = 0;  // readable ones
  virtual std::string video_name(int64_t video) const = 0;
  // SHA-256 hex of all that decides the video's tokens: what names its file.
  virtual std::string cache_key(int64_t video) const = 0;
  virtual int64_t num_frames(int64_t video) const = 0;
  // [count, N, D] float16, borrowed from the mapping: valid while the store lives.
  virtual torch::Tensor Tokens(int64_t video, int64_t first, int64_t count) const = 0;
  virtual int64_t skipped_videos() const = 0;
};

}  // namespace slotmatch
