#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "core/model/video_model.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/clip_sampler.h"

namespace slotmatch {

// Views of a batch: the student's tokens, the teacher's when they are others, the keys when a loss
// needs them. Which one the teacher sees.
size_t TeacherView(const config::TrainConfig& config, size_t num_views);

// The slots of all clips [B, T, K, S] when they are known, else undefined.
torch::Tensor KnownSlots(const ClipBatch& batch);

// Whether a model's slots are a function of the clip alone; not so when they start from noise.
bool SlotsFollowFromClip(const VideoModel& model);

// Gives the clips of a batch the slots of a frozen teacher. Each clip is computed by itself, so its
// slots are the same bits whatever else is in the batch and whether or not they were kept. For one
// thread.
class TeacherSlots {
 public:
  // `teacher`: SlotsFollowFromClip. `stores`: one per source of the sampler, borrowed; empty:
  // nothing is kept.
  TeacherSlots(const config::TrainConfig& config, VideoModel teacher,
               std::vector<const SlotStore*> stores);

  // Computes what is not known and keeps it. A store that cannot be written (a full disk) is
  // reported once and not written again: the training goes on without.
  void Fill(ClipBatch* batch);
  int64_t found() const { return found_; }  // clips so far
  int64_t computed() const { return computed_; }

 private:
  torch::Tensor Compute(const torch::Tensor& tokens);  // [1, T, N, D] -> [T, K, S]
  void Keep(const DrawnClip& clip);

  config::TrainConfig config_;
  VideoModel teacher_;
  std::vector<const SlotStore*> stores_;
  int64_t found_ = 0, computed_ = 0;
};

}  // namespace slotmatch
