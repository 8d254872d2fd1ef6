#include <torch/torch.h>

#include "core/nn/shape_check.h"
#include "trainer/loss/losses.h"
#include "trainer/loss/unit_vectors.h"

namespace slotmatch {
namespace {

// Slots of length 1. Logits span +-1/temperature: float32 at least, also under mixed precision.
torch::Tensor Unit(const torch::Tensor& slots) {
  CheckShape("slots", slots, {{"B"}, {"T"}, {"K"}, {"S"}});
  TORCH_CHECK(slots.size(1) >= 2,
              "slot contrast needs clips of at least 2 frames, got T=", slots.size(1));
  const torch::Tensor wide =
      slots.scalar_type() == torch::kFloat64 ? slots : slots.to(torch::kFloat32);
  return UnitVectors(wide);
}

}  // namespace

torch::Tensor SlotContrast(const torch::Tensor& slots, double temperature, bool batch_negatives) {
  const torch::Tensor unit = Unit(slots);
  const int64_t frames = slots.size(1);
  // One group of slots for the batch, or one for each clip: [T, groups, M, S].
  const int64_t groups = batch_negatives ? 1 : slots.size(0);
  const torch::Tensor rows = unit.transpose(0, 1).reshape({frames, groups, -1, slots.size(3)});
  const torch::Tensor now = rows.slice(0, 0, frames - 1), next = rows.slice(0, 1);
  const torch::Tensor logits = at::matmul(now, next.transpose(-2, -1)) / temperature;
  // The class axis is i, the slots of frame t, for each slot j of frame t + 1.
  const torch::Tensor log_probability = logits.log_softmax(-2);  // [T - 1, groups, i, j]
  return -log_probability.diagonal(0, -2, -1).mean();
}

torch::Tensor SlotContrastAmong(const torch::Tensor& all, const torch::Tensor& slots,
                                int64_t first_clip, double temperature) {
  const auto rows = [](const torch::Tensor& unit) { return unit.transpose(0, 1).flatten(1, 2); };
  const int64_t frames = slots.size(1);
  const torch::Tensor now = rows(Unit(all)).slice(0, 0, frames - 1);  // [T - 1, B' K, S]
  const torch::Tensor next = rows(Unit(slots)).slice(0, 1);           // [T - 1, B K, S]
  const torch::Tensor logits = at::matmul(now, next.transpose(-2, -1)) / temperature;
  const int64_t first = first_clip * slots.size(2);
  return -logits.log_softmax(-2).slice(-2, first, first + next.size(1)).diagonal(0, -2, -1).mean();
}

torch::Tensor SlotContrastLoss(const LossInputs& in, const config::LossConfig& config) {
  if (config.batch_negatives() && config.gather_negatives() && in.all_slots.defined()) {
    return SlotContrastAmong(in.all_slots, in.scan.slots, in.first_clip, config.temperature());
  }
  return SlotContrast(in.scan.slots, config.temperature(), config.batch_negatives());
}

}  // namespace slotmatch
