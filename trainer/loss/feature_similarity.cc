#include <torch/torch.h>

#include <limits>

#include "core/nn/shape_check.h"
#include "trainer/loss/losses.h"
#include "trainer/loss/token_selection.h"
#include "trainer/loss/unit_vectors.h"

namespace slotmatch {

torch::Tensor SimilarityTarget(const torch::Tensor& keys, const torch::Tensor& token_index,
                               double temperature, double threshold) {
  CheckShape("keys", keys, {{"B"}, {"T"}, {"N"}, {"D"}});
  const int64_t frames = keys.size(1);
  TORCH_CHECK(frames >= 2, "feature similarity needs clips of at least 2 frames, got T=", frames);
  torch::NoGradGuard no_grad;
  const torch::Tensor unit = UnitVectors(keys);
  const torch::Tensor now = SelectTokens(unit.slice(1, 0, frames - 1), 2, token_index);
  const torch::Tensor similarity =
      at::matmul(now, unit.slice(1, 1).transpose(-2, -1));  // [B, T - 1, N', N]
  const torch::Tensor below = similarity < threshold;
  // A row without any similar token has nothing to say: uniform.
  const torch::Tensor cut = below & ~below.all(-1, /*keepdim=*/true);
  const torch::Tensor empty = below & ~cut;
  return (similarity / temperature)
      .masked_fill(cut, -std::numeric_limits<double>::infinity())
      .masked_fill(empty, 0)
      .softmax(-1);
}

torch::Tensor FeatureSimilarity(const torch::Tensor& logits, const torch::Tensor& target) {
  CheckShape("similarity target", target,
             {{"B", logits.size(0)},
              {"T - 1", logits.size(1) - 1},
              {"N'", logits.size(2)},
              {"N", logits.size(3)}});
  const torch::Tensor log_probability =
      logits.slice(1, 0, logits.size(1) - 1).log_softmax(-1);  // the last frame has no next one
  return -(target * log_probability).sum(-1).mean();
}

torch::Tensor FeatureSimilarityLoss(const LossInputs& in, const config::LossConfig& config) {
  return FeatureSimilarity(in.decoded.similarity,
                           SimilarityTarget(in.keys, in.token_index, config.temperature(),
                                            config.similarity_threshold()));
}

}  // namespace slotmatch
