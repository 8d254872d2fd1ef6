#include <torch/torch.h>

#include "core/nn/shape_check.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

constexpr double kMinNorm = 1e-12;

}  // namespace

torch::Tensor SlotContrast(const torch::Tensor& slots, double temperature) {
  CheckShape("slots", slots, {{"B"}, {"T"}, {"K"}, {"S"}});
  const int64_t batch = slots.size(0), frames = slots.size(1), count = batch * slots.size(2);
  TORCH_CHECK(frames >= 2, "slot contrast needs clips of at least 2 frames, got T=", frames);
  // Logits span +-1/temperature: float32 at least, also under mixed precision.
  const torch::Tensor wide =
      slots.scalar_type() == torch::kFloat64 ? slots : slots.to(torch::kFloat32);
  const torch::Tensor unit = wide / wide.norm(2, -1, true).clamp_min(kMinNorm);
  const torch::Tensor rows = unit.transpose(0, 1).reshape({frames, count, slots.size(3)});
  const torch::Tensor now = rows.slice(0, 0, frames - 1), next = rows.slice(0, 1);
  const torch::Tensor logits = at::matmul(now, next.transpose(1, 2)) / temperature;  // [T-1, i, j]
  // The class axis is i, the slots of frame t, for each slot j of frame t + 1.
  const torch::Tensor log_probability = logits.log_softmax(1);
  return -log_probability.diagonal(0, 1, 2).mean();
}

torch::Tensor SlotContrastLoss(const LossInputs& in, const config::LossConfig& config) {
  return SlotContrast(in.scan.slots, config.temperature());
}

torch::Tensor CosineSlotKd(const torch::Tensor& student, const torch::Tensor& teacher) {
  constexpr double kEps = 1e-8;
  CheckShape("teacher slots", teacher,
             {{"B", student.size(0)},
              {"T", student.size(1)},
              {"K", student.size(2)},
              {"S", student.size(3)}});
  return (1.0 - torch::cosine_similarity(student, teacher.detach(), -1, kEps)).mean();
}

torch::Tensor SlotKdLoss(const LossInputs& in, const config::LossConfig&) {
  return CosineSlotKd(in.scan.slots, in.teacher_slots);
}

}  // namespace slotmatch
