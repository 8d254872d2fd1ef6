#pragma once

#include "trainer/loss/loss.h"

namespace slotmatch {

// Feature reconstruction: mean over every element of (reconstruction - token)^2
// (slotcontrast/losses.py).
torch::Tensor ReconstructionLoss(const LossInputs& in, const config::LossConfig& config);

// Slot-slot contrast of SlotContrast (slotcontrast/losses.py): for each slot of frame t + 1,
// softmax over all slots of frame t in the batch, or in the clip without batch_negatives; the
// positive is the slot of the same clip and index.
torch::Tensor SlotContrastLoss(const LossInputs& in, const config::LossConfig& config);
// The same on slots [B, T, K, S].
torch::Tensor SlotContrast(const torch::Tensor& slots, double temperature,
                           bool batch_negatives = true);
// The same with the slots of other clips as negatives too: `all` [B', T, K, S] holds `slots` from
// clip `first_clip` on. Mean over the slots of `slots`.
torch::Tensor SlotContrastAmong(const torch::Tensor& all, const torch::Tensor& slots,
                                int64_t first_clip, double temperature);

// SlotMatch distillation, Eq. 2: mean distance of student slot and teacher slot. Which distance,
// and which teacher slot belongs to which student slot, is the config's: cosine and index to index
// is the paper's loss, MEAN_SQUARE and matching are its variants.
torch::Tensor SlotKdLoss(const LossInputs& in, const config::LossConfig& config);
// The same on student and teacher slots [B, T, K, S]; no gradient goes to the teacher.
torch::Tensor SlotKd(const torch::Tensor& student, const torch::Tensor& teacher,
                     const config::LossConfig& config);
// Teacher slot of every student slot, int64 [B, T, K]: the assignment of least total distance, of
// each frame for itself (PER_FRAME) or one for the clip (PER_CLIP).
torch::Tensor MatchSlots(const torch::Tensor& student, const torch::Tensor& teacher,
                         config::LossConfig::SlotDistance distance,
                         config::LossConfig::SlotMatching matching);

// Feature distillation: mean over every element of (features - teacher's features)^2, both behind
// the models' own feature transforms, of which the teacher's is frozen.
torch::Tensor FeatureKdLoss(const LossInputs& in, const config::LossConfig& config);
// Reconstruction distillation: mean over every element of (reconstruction - teacher's)^2, the
// student's brought to the teacher's token width by a linear layer (trainer/loss/loss_heads.h).
torch::Tensor ReconstructionKdLoss(const LossInputs& in, const config::LossConfig& config);

// Feature-time similarity of VideoSAUR (videosaur/losses.py, modules/utils.py): cross-entropy
// between the decoder's similarity logits of frames 0..T-2 and where the backbone keys of each
// token are found in the next frame.
torch::Tensor FeatureSimilarityLoss(const LossInputs& in, const config::LossConfig& config);
// Target of tokens `token_index` (undefined: all): softmax over the next frame's tokens of cosine
// similarity / temperature, entries below `threshold` left out; a row without any is uniform.
// keys [B, T, N, D] -> [B, T - 1, N', N], without gradient.
torch::Tensor SimilarityTarget(const torch::Tensor& keys, const torch::Tensor& token_index,
                               double temperature, double threshold);
// logits [B, T, N', N], target [B, T - 1, N', N] -> scalar, mean over B, T - 1 and N'.
torch::Tensor FeatureSimilarity(const torch::Tensor& logits, const torch::Tensor& target);

// Grouping: sum over slots of A_np * |y_p - u(s_n)|^2 / D, mean over tokens. The expected distance
// rewards hard, feature-driven assignment. With position_weight w, y is extended by
// w * sqrt(D) * (row, column) in [-1, 1]. docs/adr names the measurements behind it.
torch::Tensor GroupingLoss(const LossInputs& in, const config::LossConfig& config);

// Decoder masks follow attention: cross-entropy against the attention without gradient.
torch::Tensor MaskFollowLoss(const LossInputs& in, const config::LossConfig& config);

}  // namespace slotmatch
