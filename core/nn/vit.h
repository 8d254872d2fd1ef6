#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <map>
#include <mutex>
#include <utility>

namespace slotmatch {

// Sizes of a vision transformer.
struct VitShape {
  int64_t patch_px = 14;  // P
  int64_t dim = 384;      // D
  int64_t depth = 12;
  int64_t heads = 6;        // A
  int64_t pos_grid = 37;    // side of the stored position table
  bool layer_scale = true;  // DINOv2 scales each branch by a learned [D]; DINO does not
};

struct VitFeatures {
  torch::Tensor tokens;  // [B, N, D] after the last block, before any final norm, without CLS
  torch::Tensor keys;    // [B, N, D] key rows of the last block's qkv, without CLS
};

// Pre-norm transformer block: x += ls1 * Attn(LN(x)); x += ls2 * MLP(LN(x)), without ls1 and ls2
// where the shape has no LayerScale; LN eps 1e-6, exact GELU [timm vision_transformer.py].
class VitBlockImpl : public torch::nn::Module {
 public:
  explicit VitBlockImpl(const VitShape& shape);
  // [B, 1 + N, D] -> same. `keys`, when not null, receives the key rows [B, 1 + N, D].
  torch::Tensor forward(const torch::Tensor& x, torch::Tensor* keys = nullptr);

 private:
  torch::Tensor Attend(const torch::Tensor& x, torch::Tensor* keys);
  int64_t heads_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Linear qkv_{nullptr}, proj_{nullptr}, fc1_{nullptr}, fc2_{nullptr};
  torch::Tensor gamma1_, gamma2_;  // [D] LayerScale, or undefined
};
TORCH_MODULE(VitBlock);

// DINO or DINOv2 vision transformer under timm's keys, without final norm and mask token (timm's
// models/vision_transformer.py). The position table is resampled to the input's grid by antialiased
// bicubic interpolation, once per grid and content of the table. Frozen in this project: call it
// without gradient. Thread-safe under InferenceMode or NoGradGuard while nothing changes weights.
class VitImpl : public torch::nn::Module {
 public:
  explicit VitImpl(const VitShape& shape);
  const VitShape& shape() const { return shape_; }

  torch::Tensor forward(const torch::Tensor& frames);  // [B, 3, H, W] -> tokens [B, N, D]
  VitFeatures Features(const torch::Tensor& frames);
  // Matrix products in bfloat16; residual stream, norms and softmax stay float32.
  void UseBFloat16();

 private:
  torch::Tensor Embed(const torch::Tensor& frames);
  torch::Tensor Positions(int64_t height, int64_t width);  // [1, 1 + height * width, D]
  void DropStalePositions();

  VitShape shape_;
  torch::nn::Conv2d patch_proj_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::Tensor cls_token_;  // [1, 1, D]
  torch::Tensor pos_embed_;  // [1, 1 + pos_grid^2, D]
  std::mutex mutex_;
  // Under mutex_: resampled tables by grid, and the table that they come from.
  std::map<std::pair<int64_t, int64_t>, torch::Tensor> positions_;
  torch::Tensor positions_of_;  // alias of pos_embed_ as it was
  uint32_t positions_version_ = 0;
};
TORCH_MODULE(Vit);

// Resamples a position table [1, 1 + G*G, D] to height x width as the reference does: bicubic,
// antialiased, align_corners = false, in float32 whatever the table's type; the CLS row is kept.
torch::Tensor ResamplePositions(const torch::Tensor& table, int64_t height, int64_t width);

}  // namespace slotmatch
