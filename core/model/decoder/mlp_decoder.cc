#include <torch/torch.h>

#include <cmath>

#include "core/model/decoder/decoder.h"
#include "core/nn/mlp.h"
#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

// Patch-wise spatial broadcast decoder (slotcontrast/modules/decoders.py):
// MLP(slot_n + pos_p) -> output channels and one alpha; softmax of alpha over slots.
// Two exact shortcuts: the first layer is split into slot and position, and because masks sum to 1
// the wide product of the last layer is taken once per token, after mixing the hidden layer.
class MlpDecoder : public Decoder {
 public:
  MlpDecoder(const DecoderSizes& sizes, const config::DecoderConfig& config)
      : sizes_(sizes),
        outputs_(config.outputs()),
        channels_(OutputChannels(sizes, config.outputs())) {
    pos_emb_ =
        register_parameter("pos_emb", torch::randn({1, 1, sizes.num_tokens, sizes.slot_dim}) /
                                          std::sqrt(static_cast<double>(sizes.slot_dim)));
    std::vector<int64_t> widths(config.num_hidden_layers() + 2, config.hidden_dim());
    widths.front() = sizes.slot_dim;
    widths.back() = channels_ + 1;
    mlp_ = register_module("mlp", Mlp(widths, /*initial_layer_norm=*/false));
  }

  DecodeResult Decode(const torch::Tensor& slots, const torch::Tensor& token_index) override {
    const torch::Tensor hidden = Hidden(slots, token_index);  // [..., K, N', hidden]
    const torch::nn::Linear& last = mlp_->linears().back();
    const torch::Tensor masks = MasksOf(hidden);                         // [..., K, N']
    const torch::Tensor mixed = (masks.unsqueeze(-1) * hidden).sum(-3);  // [..., N', hidden]
    return SplitOutputs(
        at::linear(mixed, last->weight.slice(0, 0, channels_), last->bias.slice(0, 0, channels_)),
        masks, sizes_, outputs_);
  }

  torch::Tensor Masks(const torch::Tensor& slots) override { return MasksOf(Hidden(slots, {})); }

 private:
  torch::Tensor Hidden(const torch::Tensor& slots, const torch::Tensor& token_index) {
    TORCH_CHECK(slots.dim() >= 3 && slots.size(-1) == sizes_.slot_dim,
                "decoder slots: expected [..., K, S=", sizes_.slot_dim, "], got ", slots.sizes());
    const auto& linears = mlp_->linears();
    torch::Tensor pos = pos_emb_[0][0];  // [N, S]
    if (token_index.defined()) pos = pos.index_select(0, token_index);
    const torch::Tensor from_slot = at::linear(slots, linears[0]->weight).unsqueeze(-2);
    const torch::Tensor from_pos = at::linear(pos, linears[0]->weight, linears[0]->bias);
    torch::Tensor hidden = (from_slot + from_pos).relu();  // [..., K, N', hidden]
    for (size_t i = 1; i + 1 < linears.size(); ++i) {
      hidden = at::linear(hidden, linears[i]->weight, linears[i]->bias).relu();
    }
    return hidden;
  }

  torch::Tensor MasksOf(const torch::Tensor& hidden) {
    const torch::nn::Linear& last = mlp_->linears().back();
    const torch::Tensor alpha =
        at::linear(hidden, last->weight.slice(0, channels_), last->bias.slice(0, channels_));
    return alpha.squeeze(-1).softmax(-2);
  }

  DecoderSizes sizes_;
  config::DecoderConfig::Outputs outputs_;
  int64_t channels_;
  torch::Tensor pos_emb_;  // [1, 1, N, S]
  Mlp mlp_{nullptr};
};

}  // namespace

std::shared_ptr<Decoder> MakeMlpDecoder(const DecoderSizes& sizes,
                                        const config::DecoderConfig& config) {
  return std::make_shared<MlpDecoder>(sizes, config);
}

}  // namespace slotmatch
