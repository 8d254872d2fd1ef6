#include "trainer/step/teacher_slots.h"

#include <torch/torch.h>

#include <utility>

#include "core/base/log.h"
#include "trainer/loss/loss.h"
#include "trainer/step/autocast.h"

namespace slotmatch {

size_t TeacherView(const config::TrainConfig& config, size_t num_views) {
  return num_views - (AnyLossNeeds(config, kNeedsKeys) ? 2 : 1);
}

torch::Tensor KnownSlots(const ClipBatch& batch) {
  std::vector<torch::Tensor> slots;
  for (const DrawnClip& clip : batch.clips) {
    if (!clip.teacher_slots.defined()) return {};
    slots.push_back(clip.teacher_slots);
  }
  return slots.empty() ? torch::Tensor() : torch::stack(slots);
}

bool SlotsFollowFromClip(const VideoModel& model) {
  return !model->DrawNoise(/*batch=*/1, /*seed=*/0).defined();
}

TeacherSlots::TeacherSlots(const config::TrainConfig& config, VideoModel teacher,
                           std::vector<const SlotStore*> stores)
    : config_(config), teacher_(std::move(teacher)), stores_(std::move(stores)) {}

void TeacherSlots::Fill(ClipBatch* batch) {
  const torch::Tensor& tokens = batch->tokens[TeacherView(config_, batch->tokens.size())];
  for (size_t b = 0; b < batch->clips.size(); ++b) {
    DrawnClip& clip = batch->clips[b];
    if (clip.teacher_slots.defined()) {
      ++found_;
      continue;
    }
    clip.teacher_slots = Compute(tokens.narrow(0, static_cast<int64_t>(b), 1));
    ++computed_;
    Keep(clip);
  }
}

torch::Tensor TeacherSlots::Compute(const torch::Tensor& tokens) {
  const torch::NoGradGuard no_grad;
  const Autocast autocast(config_.loop().precision(), tokens.device());
  const torch::Tensor features = Float32(teacher_->Transform(teacher_->NormalizeTokens(tokens)));
  return Float32(teacher_->Scan(features, teacher_->InitialState(/*batch=*/1)).slots)
      .squeeze(0)
      .contiguous();
}

void TeacherSlots::Keep(const DrawnClip& clip) {
  if (stores_.empty()) return;
  const absl::Status kept = stores_[clip.source]->Keep(clip.place, clip.teacher_slots.cpu());
  if (kept.ok()) return;
  SM_WARNING("teacher slots are not kept any more reason=\"{}\"", std::string(kept.message()));
  stores_.clear();
}

}  // namespace slotmatch
