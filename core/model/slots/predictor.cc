#include "core/model/slots/predictor.h"

#include <torch/torch.h>

#include <cmath>

#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

// Multi-head self-attention over the slots [slotcontrast modules/networks.py].
class SlotSelfAttentionImpl : public torch::nn::Module {
 public:
  SlotSelfAttentionImpl(int64_t dim, int64_t heads) : heads_(heads) {
    qkv_ = register_module("qkv", torch::nn::Linear(dim, 3 * dim));
    out_proj_ = register_module("out_proj", torch::nn::Linear(dim, dim));
    torch::NoGradGuard no_grad;
    const double bound = std::sqrt(6.0 / static_cast<double>(2 * dim));  // Xavier per q, k, v
    qkv_->weight.uniform_(-bound, bound);
    qkv_->bias.zero_();
    torch::nn::init::xavier_uniform_(out_proj_->weight);
    out_proj_->bias.zero_();
  }

  torch::Tensor forward(const torch::Tensor& x) {  // [B, K, S]
    const int64_t batch = x.size(0), slots = x.size(1), dim = x.size(2);
    const int64_t head_dim = dim / heads_;
    const auto parts =
        qkv_->forward(x).view({batch, slots, 3, heads_, head_dim}).permute({2, 0, 3, 1, 4});
    // q = q / scale, with scale = head_dim ** -0.5
    // The reference divides where attention usually multiplies: logits are sharper by head_dim.
    const torch::Tensor q = parts[0] * std::sqrt(static_cast<double>(head_dim));
    const torch::Tensor weights = at::matmul(q, parts[1].transpose(-2, -1)).softmax(-1);
    const torch::Tensor mixed = at::matmul(weights, parts[2]);  // [B, A, K, S / A]
    return out_proj_->forward(mixed.transpose(1, 2).reshape({batch, slots, dim}));
  }

 private:
  int64_t heads_;
  torch::nn::Linear qkv_{nullptr}, out_proj_{nullptr};
};
TORCH_MODULE(SlotSelfAttention);

class PredictorBlockImpl : public torch::nn::Module {
 public:
  PredictorBlockImpl(int64_t dim, int64_t heads) {
    self_attn_ = register_module("self_attn", SlotSelfAttention(dim, heads));
    linear1_ = register_module("linear1", torch::nn::Linear(dim, 4 * dim));
    linear2_ = register_module("linear2", torch::nn::Linear(4 * dim, dim));
    const torch::nn::LayerNormOptions norm({dim});
    norm1_ = register_module("norm1", torch::nn::LayerNorm(norm));
    norm2_ = register_module("norm2", torch::nn::LayerNorm(norm));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = x + self_attn_->forward(norm1_->forward(x));
    return y + linear2_->forward(linear1_->forward(norm2_->forward(y)).relu());
  }

 private:
  SlotSelfAttention self_attn_{nullptr};
  torch::nn::Linear linear1_{nullptr}, linear2_{nullptr};
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
};
TORCH_MODULE(PredictorBlock);

class TransformerPredictor : public Predictor {
 public:
  TransformerPredictor(int64_t slot_dim, const config::PredictorConfig& config)
      : slot_dim_(slot_dim) {
    for (int i = 0; i < config.num_blocks(); ++i) {
      blocks_->push_back(PredictorBlock(slot_dim, config.num_heads()));
    }
    register_module("blocks", blocks_);
  }

  torch::Tensor forward(const torch::Tensor& slots) override {
    CheckShape("predictor input", slots, {{"B"}, {"K"}, {"S", slot_dim_}});
    torch::Tensor x = slots;
    for (const auto& block : *blocks_) x = block->as<PredictorBlock>()->forward(x);
    return x;
  }

 private:
  int64_t slot_dim_;
  torch::nn::ModuleList blocks_;
};

std::shared_ptr<Predictor> MakeTransformer(int64_t slot_dim,
                                           const config::PredictorConfig& config) {
  return std::make_shared<TransformerPredictor>(slot_dim, config);
}

}  // namespace

const std::vector<PredictorRow>& PredictorTable() {
  static const auto& rows = *new std::vector<PredictorRow>{{"transformer", MakeTransformer}};
  return rows;
}

}  // namespace slotmatch
