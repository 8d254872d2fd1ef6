#include "core/nn/vit.h"

#include <torch/torch.h>

#include <cmath>

#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

namespace F = torch::nn::functional;

constexpr double kEps = 1e-6;  // timm's LayerNorm for ViT, not PyTorch's 1e-5

torch::nn::LayerNorm Norm(int64_t dim) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(kEps));
}

// Linear layer whose weight may be kept in a narrower type than the activations.
torch::Tensor Apply(const torch::nn::Linear& linear, const torch::Tensor& x) {
  if (linear->weight.scalar_type() == x.scalar_type()) {
    return at::linear(x, linear->weight, linear->bias);
  }
  return at::linear(x.to(linear->weight.scalar_type()), linear->weight, linear->bias)
      .to(x.scalar_type());
}

std::shared_ptr<torch::nn::Module> Group() { return std::make_shared<torch::nn::Module>(); }

torch::Tensor Scaled(const torch::Tensor& gamma, const torch::Tensor& x) {
  return gamma.defined() ? gamma * x : x;
}

// Counts in-place changes; tensors made under InferenceMode have no counter and cannot be trained.
uint32_t Version(const torch::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<uint32_t>(tensor._version());
}

}  // namespace

VitBlockImpl::VitBlockImpl(const VitShape& shape) : heads_(shape.heads) {
  const int64_t dim = shape.dim;
  norm1_ = register_module("norm1", Norm(dim));
  norm2_ = register_module("norm2", Norm(dim));
  auto attn = register_module("attn", Group());
  qkv_ = attn->register_module("qkv", torch::nn::Linear(dim, 3 * dim));
  proj_ = attn->register_module("proj", torch::nn::Linear(dim, dim));
  auto mlp = register_module("mlp", Group());
  fc1_ = mlp->register_module("fc1", torch::nn::Linear(dim, 4 * dim));
  fc2_ = mlp->register_module("fc2", torch::nn::Linear(4 * dim, dim));
  if (!shape.layer_scale) return;
  gamma1_ = register_module("ls1", Group())->register_parameter("gamma", torch::ones({dim}));
  gamma2_ = register_module("ls2", Group())->register_parameter("gamma", torch::ones({dim}));
}

torch::Tensor VitBlockImpl::Attend(const torch::Tensor& x, torch::Tensor* keys) {
  const int64_t batch = x.size(0), length = x.size(1), dim = x.size(2);
  const int64_t head_dim = dim / heads_;
  const torch::Tensor qkv = Apply(qkv_, x);  // [B, 1 + N, 3D], rows q, k, v, each head-major
  if (keys != nullptr) *keys = qkv.slice(2, dim, 2 * dim);
  const auto parts = qkv.view({batch, length, 3, heads_, head_dim}).permute({2, 0, 3, 1, 4});
  const torch::Tensor q = parts[0] * (1.0 / std::sqrt(static_cast<double>(head_dim)));
  const torch::Tensor weights = at::matmul(q, parts[1].transpose(-2, -1)).softmax(-1);
  const torch::Tensor mixed = at::matmul(weights, parts[2]);  // [B, A, 1 + N, D / A]
  return Apply(proj_, mixed.transpose(1, 2).reshape({batch, length, dim}));
}

torch::Tensor VitBlockImpl::forward(const torch::Tensor& x, torch::Tensor* keys) {
  const torch::Tensor y = x + Scaled(gamma1_, Attend(norm1_->forward(x), keys));
  const torch::Tensor hidden = at::gelu(Apply(fc1_, norm2_->forward(y)));
  return y + Scaled(gamma2_, Apply(fc2_, hidden));
}

VitImpl::VitImpl(const VitShape& shape) : shape_(shape) {
  auto patch_embed = register_module("patch_embed", Group());
  patch_proj_ = patch_embed->register_module(
      "proj", torch::nn::Conv2d(
                  torch::nn::Conv2dOptions(3, shape.dim, shape.patch_px).stride(shape.patch_px)));
  cls_token_ = register_parameter("cls_token", torch::randn({1, 1, shape.dim}) * 0.02);
  pos_embed_ = register_parameter(
      "pos_embed", torch::randn({1, 1 + shape.pos_grid * shape.pos_grid, shape.dim}) * 0.02);
  for (int64_t i = 0; i < shape.depth; ++i) blocks_->push_back(VitBlock(shape));
  register_module("blocks", blocks_);
}

torch::Tensor ResamplePositions(const torch::Tensor& table, int64_t height, int64_t width) {
  const int64_t grid = std::lround(std::sqrt(static_cast<double>(table.size(1) - 1)));
  if (grid == height && grid == width) return table;
  const int64_t dim = table.size(2);
  // posemb = posemb.float()
  const torch::Tensor old =
      table.slice(1, 1).to(torch::kFloat32).reshape({1, grid, grid, dim}).permute({0, 3, 1, 2});
  const torch::Tensor resized = F::interpolate(old, F::InterpolateFuncOptions()
                                                        .size(std::vector<int64_t>{height, width})
                                                        .mode(torch::kBicubic)
                                                        .align_corners(false)
                                                        .antialias(true));
  const torch::Tensor patches = resized.permute({0, 2, 3, 1}).reshape({1, height * width, dim});
  return torch::cat({table.slice(1, 0, 1), patches.to(table.scalar_type())}, 1);
}

// Weights may be loaded, converted or moved after a forward.
void VitImpl::DropStalePositions() {
  const uint32_t version = Version(pos_embed_);
  if (positions_of_.defined() && positions_version_ == version &&
      positions_of_.data_ptr() == pos_embed_.data_ptr()) {
    return;
  }
  positions_.clear();
  positions_of_ = pos_embed_.detach();
  positions_version_ = version;
}

torch::Tensor VitImpl::Positions(int64_t height, int64_t width) {
  if (torch::GradMode::is_enabled() && pos_embed_.requires_grad()) {
    return ResamplePositions(pos_embed_, height, width);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  DropStalePositions();
  torch::Tensor& cached = positions_[{height, width}];
  if (!cached.defined()) {
    cached = ResamplePositions(pos_embed_.detach(), height, width).contiguous();
  }
  return cached;
}

torch::Tensor VitImpl::Embed(const torch::Tensor& frames) {
  CheckShape("ViT input", frames, {{"B"}, {"C", 3}, {"H"}, {"W"}});
  const int64_t patch = shape_.patch_px;
  TORCH_CHECK(frames.size(2) % patch == 0 && frames.size(3) % patch == 0,
              "ViT input: H and W must be multiples of ", patch, ", got ", frames.sizes());
  const torch::Tensor grid = patch_proj_->forward(frames);                // [B, D, h, w]
  const torch::Tensor patches = grid.flatten(2).transpose(1, 2);          // [B, N, D]
  const torch::Tensor cls = cls_token_.expand({frames.size(0), -1, -1});  // [B, 1, D]
  return torch::cat({cls, patches}, 1) + Positions(grid.size(2), grid.size(3));
}

torch::Tensor VitImpl::forward(const torch::Tensor& frames) {
  torch::Tensor x = Embed(frames);
  for (const auto& block : *blocks_) x = block->as<VitBlock>()->forward(x);
  return x.slice(1, 1);
}

VitFeatures VitImpl::Features(const torch::Tensor& frames) {
  torch::Tensor x = Embed(frames);
  torch::Tensor keys;
  for (const auto& block : *blocks_) x = block->as<VitBlock>()->forward(x, &keys);
  return {x.slice(1, 1), keys.slice(1, 1)};
}

void VitImpl::UseBFloat16() {
  torch::NoGradGuard no_grad;
  for (auto& module : modules(/*include_self=*/false)) {
    auto* linear = module->as<torch::nn::Linear>();
    if (linear == nullptr) continue;
    linear->weight.set_data(linear->weight.to(torch::kBFloat16));
    linear->bias.set_data(linear->bias.to(torch::kBFloat16));
  }
}

}  // namespace slotmatch
