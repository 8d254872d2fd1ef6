#include "trainer/eval/theorem.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "absl/strings/match.h"

namespace slotmatch {
namespace {

using torch::autograd::grad;

constexpr double kTiny = 1e-30;
constexpr int kPointsOnTheWay = 3;

// [B, ...] -> [B], sums of squares.
torch::Tensor SquaredNorm(const torch::Tensor& rows) { return rows.flatten(1).square().sum(1); }

double LargestSingularValue(const torch::Tensor& matrix) {
  return std::get<1>(torch::linalg_svd(matrix, false, c10::nullopt)).max().item<double>();
}

}  // namespace

torch::Tensor LocalLipschitz(const SlotDecoder& f, const torch::Tensor& points, int iterations) {
  torch::AutoGradMode with_grad(true);
  const torch::Tensor x = points.detach().clone().requires_grad_();
  const torch::Tensor y = f(x);
  const torch::Tensor dummy = torch::zeros_like(y).requires_grad_();
  // J^T u is linear in u: its derivative along v is J v.
  const torch::Tensor transposed = grad({y}, {x}, {dummy}, /*retain_graph=*/true,
                                        /*create_graph=*/true)[0];
  torch::Tensor v = torch::ones_like(x) / std::sqrt(static_cast<double>(x.size(1)));
  torch::Tensor squared;  // [B], of the singular value
  for (int i = 0; i < iterations; ++i) {
    const torch::Tensor jv = grad({transposed}, {dummy}, {v}, /*retain_graph=*/true)[0];
    const torch::Tensor jtjv = grad({y}, {x}, {jv}, /*retain_graph=*/true)[0];
    squared = SquaredNorm(jv);
    v = jtjv / SquaredNorm(jtjv).sqrt().clamp_min(kTiny).unsqueeze(1);
  }
  return squared.sqrt().detach();
}

double WeightsLipschitz(VideoModel model) {
  if (model->config().decoder().kind() != "mlp") return std::numeric_limits<double>::quiet_NaN();
  torch::NoGradGuard no_grad;
  const int64_t tokens = model->grid_height() * model->grid_width();
  const int64_t channels = model->token_dim();
  double product = std::sqrt(static_cast<double>(tokens));
  std::vector<torch::Tensor> layers;
  for (const auto& item : model->named_parameters()) {
    if (absl::StartsWith(item.key(), "decoder.module.mlp.") &&
        absl::EndsWith(item.key(), ".weight")) {
      layers.push_back(item.value().to(torch::kFloat64));
    }
  }
  layers.back() = layers.back().slice(0, 0, channels);  // without alpha, which f does not give
  for (const torch::Tensor& layer : layers) product *= LargestSingularValue(layer);
  return product;
}

SlotDecoder DecoderOfOneSlot(VideoModel model) {
  return [model](const torch::Tensor& slots) mutable {
    return model->Decode(slots.unsqueeze(1)).reconstruction;  // [B, N, D]
  };
}

std::vector<TheoremPair> CheckTheorem(const SlotDecoder& f, const torch::Tensor& teacher,
                                      const torch::Tensor& student) {
  TORCH_CHECK(teacher.dim() == 2 && teacher.sizes() == student.sizes(),
              "theorem: expected two sets of slots [K, S], got ", teacher.sizes(), " and ",
              student.sizes());
  const torch::Tensor t_norm = teacher.norm(2, 1), s_norm = student.norm(2, 1);            // [K]
  const torch::Tensor scaled = student * (t_norm / s_norm.clamp_min(kTiny)).unsqueeze(1);  // [K, S]
  const torch::Tensor cosine = (teacher * scaled).sum(1) / t_norm.square().clamp_min(kTiny);  // [K]
  torch::Tensor local = torch::zeros_like(t_norm);
  for (int i = 0; i < kPointsOnTheWay; ++i) {
    const double share = static_cast<double>(i) / (kPointsOnTheWay - 1);
    local = torch::maximum(local, LocalLipschitz(f, teacher + share * (scaled - teacher)));
  }
  torch::NoGradGuard no_grad;
  const torch::Tensor of_teacher = f(teacher);
  const torch::Tensor measured = SquaredNorm(of_teacher - f(scaled));
  const torch::Tensor unscaled_measured = SquaredNorm(of_teacher - f(student));
  const torch::Tensor unscaled_distance = SquaredNorm(teacher - student);
  std::vector<TheoremPair> pairs;
  for (int64_t k = 0; k < teacher.size(0); ++k) {
    const auto at = [k](const torch::Tensor& values) { return values[k].item<double>(); };
    const double c = 1 - at(cosine), r = at(t_norm);
    pairs.push_back({c, at(s_norm) / std::max(r, kTiny), 2 * r * r * c, at(measured),
                     at(unscaled_distance), at(unscaled_measured), at(local)});
  }
  return pairs;
}

}  // namespace slotmatch
