#include <torch/torch.h>

#include <cmath>

#include "core/model/decoder/decoder.h"
#include "core/nn/mlp.h"
#include "core/nn/shape_check.h"
#include "core/nn/transformer.h"

namespace slotmatch {
namespace {

torch::nn::LayerNorm Norm(int64_t dim) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}));
}

// Linear layer of the reference's Xavier start; a bias begins at zero.
torch::nn::Linear XavierLinear(int64_t in, int64_t out, bool bias) {
  torch::nn::Linear linear(torch::nn::LinearOptions(in, out).bias(bias));
  torch::NoGradGuard no_grad;
  torch::nn::init::xavier_uniform_(linear->weight);
  if (bias) linear->bias.zero_();
  return linear;
}

// SlotMixer decoder of VideoSAUR (videosaur/modules/decoders.py). Every position asks the slots
// which of them it is made of (allocator: blocks of cross-attention alone), mixes them by one
// attention, and renders the mixture. Positions do not see each other, so a subset of tokens is
// decoded exactly.
class SlotMixerDecoder : public Decoder {
 public:
  SlotMixerDecoder(const DecoderSizes& sizes, const config::DecoderConfig& config)
      : sizes_(sizes), outputs_(config.outputs()) {
    const int64_t dim = sizes.slot_dim, hidden = config.hidden_dim();
    pos_emb_ = register_parameter(
        "pos_emb", torch::randn({1, sizes.num_tokens, dim}) / std::sqrt(static_cast<double>(dim)));
    blocks_ = register_module("allocator", std::make_shared<torch::nn::Module>())
                  ->register_module("blocks", TransformerBlocks(dim, config.allocator_blocks(),
                                                                config.allocator_heads()));
    to_q_ = register_module("to_q", XavierLinear(dim, dim, /*bias=*/false));
    to_k_ = register_module("to_k", XavierLinear(dim, dim, /*bias=*/false));
    norm_q_ = register_module("norm_q", Norm(dim));
    norm_k_ = register_module("norm_k", Norm(dim));
    norm_memory_ = register_module("norm_memory", Norm(dim));
    std::vector<int64_t> widths(config.num_hidden_layers() + 2, hidden);
    widths.front() = dim;
    renderer_ = register_module("renderer", Mlp(widths, /*initial_layer_norm=*/false));
    output_transform_ = register_module(
        "output_transform", XavierLinear(hidden, OutputChannels(sizes, outputs_), /*bias=*/true));
  }

  DecodeResult Decode(const torch::Tensor& slots, const torch::Tensor& token_index) override {
    const torch::Tensor flat = Flat(slots);                // [L, K, S]
    const torch::Tensor pos = Positions(token_index);      // [1, N', S]
    const torch::Tensor attention = Attention(flat, pos);  // [L, N', K]
    const torch::Tensor mixed = at::matmul(attention, flat) + pos;
    const torch::Tensor channels =
        output_transform_->forward(renderer_->forward(mixed).relu());  // [L, N', channels]
    return SplitOutputs(Unflat(channels, slots), Unflat(attention.transpose(1, 2), slots), sizes_,
                        outputs_);
  }

  torch::Tensor Masks(const torch::Tensor& slots) override {
    return Unflat(Attention(Flat(slots), pos_emb_).transpose(1, 2), slots);
  }

 private:
  torch::Tensor Flat(const torch::Tensor& slots) const {
    TORCH_CHECK(slots.dim() >= 3 && slots.size(-1) == sizes_.slot_dim,
                "decoder slots: expected [..., K, S=", sizes_.slot_dim, "], got ", slots.sizes());
    return slots.reshape({-1, slots.size(-2), slots.size(-1)});
  }

  // [L, ...] -> the leading dimensions that `slots` came with.
  static torch::Tensor Unflat(const torch::Tensor& flat, const torch::Tensor& slots) {
    std::vector<int64_t> shape = slots.sizes().slice(0, slots.dim() - 2).vec();
    shape.insert(shape.end(), flat.sizes().begin() + 1, flat.sizes().end());
    return flat.reshape(shape);
  }

  torch::Tensor Positions(const torch::Tensor& token_index) const {
    return token_index.defined() ? pos_emb_.index_select(1, token_index) : pos_emb_;
  }

  // Softmax over the slots: [L, N', K].
  torch::Tensor Attention(const torch::Tensor& slots, const torch::Tensor& pos) {
    const torch::Tensor query = RunBlocks(blocks_, pos, norm_memory_->forward(slots));
    const torch::Tensor q = to_q_->forward(norm_q_->forward(query));
    const torch::Tensor k = to_k_->forward(norm_k_->forward(slots));
    const double scale = 1.0 / std::sqrt(static_cast<double>(sizes_.slot_dim));
    return (at::matmul(q, k.transpose(1, 2)) * scale).softmax(-1);
  }

  DecoderSizes sizes_;
  config::DecoderConfig::Outputs outputs_;
  torch::Tensor pos_emb_;  // [1, N, S]
  torch::nn::ModuleList blocks_;
  torch::nn::Linear to_q_{nullptr}, to_k_{nullptr}, output_transform_{nullptr};
  torch::nn::LayerNorm norm_q_{nullptr}, norm_k_{nullptr}, norm_memory_{nullptr};
  Mlp renderer_{nullptr};
};

}  // namespace

std::shared_ptr<Decoder> MakeSlotMixerDecoder(const DecoderSizes& sizes,
                                              const config::DecoderConfig& config) {
  return std::make_shared<SlotMixerDecoder>(sizes, config);
}

}  // namespace slotmatch
