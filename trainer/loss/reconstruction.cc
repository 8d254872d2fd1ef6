#include <torch/torch.h>

#include "trainer/loss/losses.h"
#include "trainer/loss/token_selection.h"

namespace slotmatch {

torch::Tensor ReconstructionLoss(const LossInputs& in, const config::LossConfig&) {
  return torch::mse_loss(in.decoded.reconstruction, SelectTokens(in.tokens, 2, in.token_index));
}

torch::Tensor MaskFollowLoss(const LossInputs& in, const config::LossConfig&) {
  constexpr double kEps = 1e-6;
  const torch::Tensor attention =
      SelectTokens(in.scan.attention, 3, in.token_index).detach();  // [B, T, K, N']
  return -(attention * (in.decoded.masks + kEps).log()).sum(-2).mean();
}

}  // namespace slotmatch
