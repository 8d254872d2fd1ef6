#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/pimpl.h>

#include "core/nn/mlp.h"

namespace slotmatch {

struct SlotAttentionResult {
  torch::Tensor slots;      // [B, K, S]
  torch::Tensor attention;  // [B, K, N] of the last iteration: softmax over K, without eps
};

// Slot attention as the reference runs it (slotcontrast/modules/groupers.py).
// Trap: the GRU's hidden state is the normalised slot, not the raw one.
class SlotAttentionImpl : public torch::nn::Module {
 public:
  SlotAttentionImpl(int64_t slot_dim, bool use_mlp);
  // features [B, N, S], slots [B, K, S].
  SlotAttentionResult forward(const torch::Tensor& features, const torch::Tensor& slots,
                              int64_t iterations);

 private:
  int64_t slot_dim_;
  torch::nn::Linear to_k_{nullptr}, to_v_{nullptr}, to_q_{nullptr};
  torch::nn::GRUCell gru_{nullptr};
  Mlp mlp_{nullptr};
  torch::nn::LayerNorm norm_features_{nullptr}, norm_slots_{nullptr};
};
TORCH_MODULE(SlotAttention);

}  // namespace slotmatch
