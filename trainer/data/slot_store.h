#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "trainer/data/feature_store.h"

namespace slotmatch {

// A clip: frames from `start` on of a video of a FeatureStore, its columns in reverse or not.
struct ClipPlace {
  int64_t video = 0, start = 0;
  bool flip = false;
};

// What decides a frozen teacher's slots of a clip besides the clip's tokens.
struct SlotKind {
  std::string digest;  // of the teacher: weights, configuration, precision
  int64_t clip_frames = 0, num_slots = 0, slot_dim = 0;  // T, K, S
};

// Slots [T, K, S] float32 of clips that a frozen teacher has seen, kept beside the tokens: one file
// per video, named by SHA-256 of (the tokens' key, the kind), which is a row of records
//   CRC-32C of the slots (4 bytes, masked as in TFRecord), T * K * S floats
// in the order of (start, flip). What was never kept is a hole. A record that is missing, torn or
// damaged is not found, so several threads and processes may read and write at the same time.
class SlotStore {
 public:
  // `tokens` is borrowed; `cache_dir` exists.
  SlotStore(const FeatureStore* tokens, const SlotKind& kind, std::string cache_dir);

  // [T, K, S]; undefined when they are not there. Thread-safe.
  torch::Tensor Find(const ClipPlace& clip) const;
  // kAborted when they cannot be written. Thread-safe.
  absl::Status Keep(const ClipPlace& clip, const torch::Tensor& slots) const;

 private:
  std::string Path(int64_t video) const;
  int64_t Offset(const ClipPlace& clip) const;

  const FeatureStore* tokens_;
  SlotKind kind_;
  std::string key_, cache_dir_;
};

}  // namespace slotmatch
