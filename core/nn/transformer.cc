#include "core/nn/transformer.h"

#include <torch/torch.h>

#include <cmath>

namespace slotmatch {

SharpAttentionImpl::SharpAttentionImpl(int64_t dim, int64_t heads) : heads_(heads) {
  qkv_ = register_module("qkv", torch::nn::Linear(dim, 3 * dim));
  out_proj_ = register_module("out_proj", torch::nn::Linear(dim, dim));
  torch::NoGradGuard no_grad;
  const double bound = std::sqrt(6.0 / static_cast<double>(2 * dim));  // Xavier per q, k, v
  qkv_->weight.uniform_(-bound, bound);
  qkv_->bias.zero_();
  torch::nn::init::xavier_uniform_(out_proj_->weight);
  out_proj_->bias.zero_();
}

// Rows q, k, v of the fused weight; inside each, head-major.
torch::Tensor SharpAttentionImpl::Heads(const torch::Tensor& x, int64_t part) {
  const int64_t dim = x.size(2), first = part * dim;
  return at::linear(x, qkv_->weight.slice(0, first, first + dim),
                    qkv_->bias.slice(0, first, first + dim))
      .view({x.size(0), x.size(1), heads_, dim / heads_})
      .transpose(1, 2);
}

torch::Tensor SharpAttentionImpl::forward(const torch::Tensor& query, const torch::Tensor& memory) {
  const int64_t dim = query.size(2);
  // q = q / scale, with scale = head_dim ** -0.5
  const torch::Tensor q = Heads(query, 0) * std::sqrt(static_cast<double>(dim / heads_));
  const torch::Tensor weights = at::matmul(q, Heads(memory, 1).transpose(-2, -1)).softmax(-1);
  const torch::Tensor mixed = at::matmul(weights, Heads(memory, 2));  // [B, A, L, S / A]
  return out_proj_->forward(mixed.transpose(1, 2).reshape({mixed.size(0), query.size(1), dim}));
}

TransformerBlockImpl::TransformerBlockImpl(int64_t dim, int64_t heads) {
  self_attn_ = register_module("self_attn", SharpAttention(dim, heads));
  linear1_ = register_module("linear1", torch::nn::Linear(dim, 4 * dim));
  linear2_ = register_module("linear2", torch::nn::Linear(4 * dim, dim));
  const torch::nn::LayerNormOptions norm({dim});
  norm1_ = register_module("norm1", torch::nn::LayerNorm(norm));
  norm2_ = register_module("norm2", torch::nn::LayerNorm(norm));
}

torch::Tensor TransformerBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& memory) {
  const torch::Tensor query = norm1_->forward(x);
  const torch::Tensor y = x + self_attn_->forward(query, memory.defined() ? memory : query);
  return y + linear2_->forward(linear1_->forward(norm2_->forward(y)).relu());
}

torch::nn::ModuleList TransformerBlocks(int64_t dim, int64_t num_blocks, int64_t heads) {
  torch::nn::ModuleList blocks;
  for (int64_t i = 0; i < num_blocks; ++i) blocks->push_back(TransformerBlock(dim, heads));
  return blocks;
}

torch::Tensor RunBlocks(const torch::nn::ModuleList& blocks, torch::Tensor x,
                        const torch::Tensor& memory) {
  for (const auto& block : *blocks) x = block->as<TransformerBlock>()->forward(x, memory);
  return x;
}

}  // namespace slotmatch
