#include "core/model/slots/slot_attention.h"

#include <torch/torch.h>

#include <cmath>

#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

constexpr double kAttentionEps = 1e-8;
constexpr double kNormEps = 1e-5;  // LibTorch's default

torch::nn::Linear Projection(int64_t dim) {
  return torch::nn::Linear(torch::nn::LinearOptions(dim, dim).bias(false));
}

}  // namespace

SlotAttentionImpl::SlotAttentionImpl(int64_t slot_dim, bool use_mlp) : slot_dim_(slot_dim) {
  to_k_ = register_module("to_k", Projection(slot_dim));
  to_v_ = register_module("to_v", Projection(slot_dim));
  to_q_ = register_module("to_q", Projection(slot_dim));
  gru_ = register_module("gru", torch::nn::GRUCell(slot_dim, slot_dim));
  if (use_mlp) {
    mlp_ = register_module("mlp", Mlp(std::vector<int64_t>{slot_dim, 4 * slot_dim, slot_dim},
                                      /*initial_layer_norm=*/true));
  }
  const auto norm = torch::nn::LayerNormOptions({slot_dim}).eps(kNormEps);
  norm_features_ = register_module("norm_features", torch::nn::LayerNorm(norm));
  norm_slots_ = register_module("norm_slots", torch::nn::LayerNorm(norm));
}

SlotAttentionResult SlotAttentionImpl::forward(const torch::Tensor& features,
                                               const torch::Tensor& slots, int64_t iterations) {
  CheckShape("slot attention features", features, {{"B"}, {"N"}, {"S", slot_dim_}});
  CheckShape("slot attention slots", slots, {{"B", features.size(0)}, {"K"}, {"S", slot_dim_}});
  const torch::Tensor x = norm_features_->forward(features);
  // Queries and attention count in float64: they are a small part of the work, and recurrence over
  // frames amplifies their rounding, which differs from one CPU to the next.
  const auto dtype = x.scalar_type();
  const torch::Tensor keys = to_k_->forward(x).transpose(1, 2).to(torch::kFloat64);  // [B, S, N]
  const torch::Tensor values = to_v_->forward(x).to(torch::kFloat64);                // [B, N, S]
  const double scale = 1.0 / std::sqrt(static_cast<double>(slot_dim_));
  const auto norm_weight = norm_slots_->weight.to(torch::kFloat64);
  const auto norm_bias = norm_slots_->bias.to(torch::kFloat64);
  const auto to_queries = to_q_->weight.to(torch::kFloat64).t() * scale;
  SlotAttentionResult result{slots, {}};
  for (int64_t i = 0; i < iterations; ++i) {
    const torch::Tensor normed = at::layer_norm(result.slots.to(torch::kFloat64), {slot_dim_},
                                                norm_weight, norm_bias, kNormEps);
    const torch::Tensor attention =
        at::matmul(at::matmul(normed, to_queries), keys).softmax(1);  // [B, K, N]
    result.attention = attention.to(dtype);
    const torch::Tensor weights = attention + kAttentionEps;
    const torch::Tensor updates =
        at::matmul(weights / weights.sum(-1, /*keepdim=*/true), values).to(dtype);  // [B, K, S]
    const torch::Tensor hidden =
        gru_->forward(updates.reshape({-1, slot_dim_}), normed.to(dtype).reshape({-1, slot_dim_}))
            .view_as(updates);
    result.slots = mlp_.is_empty() ? hidden : hidden + mlp_->forward(hidden);
  }
  return result;
}

}  // namespace slotmatch
