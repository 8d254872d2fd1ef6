#pragma once

#include "trainer/loss/loss.h"

namespace slotmatch {

// Feature reconstruction: mean over every element of (reconstruction - token)^2
// (slotcontrast/losses.py).
torch::Tensor ReconstructionLoss(const LossInputs& in, const config::LossConfig& config);

// Slot-slot contrast of SlotContrast (slotcontrast/losses.py): for each slot of frame t + 1,
// softmax over all slots of frame t in the batch; the positive is the slot of the same clip and
// index.
torch::Tensor SlotContrastLoss(const LossInputs& in, const config::LossConfig& config);
// The same on slots [B, T, K, S].
torch::Tensor SlotContrast(const torch::Tensor& slots, double temperature);

// SlotMatch distillation, Eq. 2: mean of 1 - cos(student slot, teacher slot), index to index.
torch::Tensor SlotKdLoss(const LossInputs& in, const config::LossConfig& config);
// The same on student and teacher slots [B, T, K, S].
torch::Tensor CosineSlotKd(const torch::Tensor& student, const torch::Tensor& teacher);

// Grouping: sum over slots of A_np * |y_p - u(s_n)|^2 / D, mean over tokens. The expected distance
// rewards hard, feature-driven assignment. With position_weight w, y is extended by
// w * sqrt(D) * (row, column) in [-1, 1]. docs/adr names the measurements behind it.
torch::Tensor GroupingLoss(const LossInputs& in, const config::LossConfig& config);

// Decoder masks follow attention: cross-entropy against the attention without gradient.
torch::Tensor MaskFollowLoss(const LossInputs& in, const config::LossConfig& config);

}  // namespace slotmatch
