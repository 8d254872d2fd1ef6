#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

namespace slotmatch {

// Multi-head attention under the reference's keys "qkv" and "out_proj" [slotcontrast
// modules/networks.py]. Trap: the reference divides q by its scale, so logits are sharper than
// usual by the width of a head.
class SharpAttentionImpl : public torch::nn::Module {
 public:
  SharpAttentionImpl(int64_t dim, int64_t heads);
  // query [B, L, S], memory [B, M, S] -> [B, L, S]. Either B may be 1 and is then repeated.
  torch::Tensor forward(const torch::Tensor& query, const torch::Tensor& memory);

 private:
  torch::Tensor Heads(const torch::Tensor& x, int64_t part);  // [B, L, S] -> [B, A, L, S / A]
  int64_t heads_;
  torch::nn::Linear qkv_{nullptr}, out_proj_{nullptr};
};
TORCH_MODULE(SharpAttention);

// Pre-norm transformer block: x += Attention(LN(x)); x += MLP(LN(x)) with a hidden layer of 4 S,
// LN eps 1e-5 [slotcontrast modules/networks.py].
class TransformerBlockImpl : public torch::nn::Module {
 public:
  TransformerBlockImpl(int64_t dim, int64_t heads);
  // x [B, L, S] -> same. With `memory` [B, M, S] its rows are what x attends to, as they are, in
  // place of x's own normalised rows; B of x may then be 1.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& memory = {});

 private:
  SharpAttention self_attn_{nullptr};
  torch::nn::Linear linear1_{nullptr}, linear2_{nullptr};
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
};
TORCH_MODULE(TransformerBlock);

// A stack of blocks: register it as "blocks".
torch::nn::ModuleList TransformerBlocks(int64_t dim, int64_t num_blocks, int64_t heads);
// x through all of them; every block sees the same memory, as TransformerBlock::forward.
torch::Tensor RunBlocks(const torch::nn::ModuleList& blocks, torch::Tensor x,
                        const torch::Tensor& memory = {});

}  // namespace slotmatch
