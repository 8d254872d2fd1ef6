#include <torch/torch.h>

#include <cmath>

#include "trainer/loss/losses.h"
#include "trainer/loss/token_selection.h"

namespace slotmatch {
namespace {

// Rows and columns of the grid in [-1, 1], [N, 2].
torch::Tensor Coordinates(int64_t height, int64_t width, const torch::TensorOptions& options) {
  const torch::Tensor rows =
      height > 1 ? torch::linspace(-1, 1, height, options) : torch::zeros({1}, options);
  const torch::Tensor columns =
      width > 1 ? torch::linspace(-1, 1, width, options) : torch::zeros({1}, options);
  const auto mesh = torch::meshgrid({rows, columns}, "ij");
  return torch::stack({mesh[0].reshape(-1), mesh[1].reshape(-1)}, -1);
}

}  // namespace

torch::Tensor GroupingLoss(const LossInputs& in, const config::LossConfig& config) {
  VideoModel model = in.model;
  const int64_t dim = in.tokens.size(-1);
  torch::Tensor target = SelectTokens(in.tokens, 2, in.token_index);    // [B, T, N', D]
  torch::Tensor prototypes = model->GroupingPrototypes(in.scan.slots);  // [B, T, K, D + 2]
  if (config.position_weight() > 0) {
    const torch::Tensor grid =
        SelectTokens(Coordinates(model->grid_height(), model->grid_width(), target.options()), 0,
                     in.token_index) *
        (config.position_weight() * std::sqrt(static_cast<double>(dim)));
    target = torch::cat({target, grid.expand({target.size(0), target.size(1), -1, -1})}, -1);
  } else {
    prototypes = prototypes.slice(-1, 0, dim);
  }
  // |y - u|^2 = |y|^2 - 2 u.y + |u|^2 without a [K, N', D] tensor.
  const torch::Tensor distance = target.square().sum(-1).unsqueeze(-2) -
                                 2 * at::matmul(prototypes, target.transpose(-1, -2)) +
                                 prototypes.square().sum(-1, /*keepdim=*/true);  // [B, T, K, N']
  const torch::Tensor attention = SelectTokens(in.scan.attention, 3, in.token_index);
  return (attention * distance).sum(-2).mean() / static_cast<double>(dim);
}

}  // namespace slotmatch
