#include "core/nn/mlp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace slotmatch {
namespace {

Mlp MakeMlp(bool initial_layer_norm) {
  torch::manual_seed(1);
  return Mlp(std::vector<int64_t>{6, 10, 4}, initial_layer_norm);
}

TEST(Mlp, BiasesStartAtZeroAndWeightsWithinFanIn) {
  const Mlp mlp = MakeMlp(false);
  ASSERT_EQ(mlp->linears().size(), 2u);
  for (const torch::nn::Linear& linear : mlp->linears()) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(linear->weight.size(1)));
    EXPECT_EQ(linear->bias.abs().max().item<float>(), 0.0F);
    EXPECT_LE(linear->weight.abs().max().item<double>(), bound);
    EXPECT_GT(linear->weight.abs().max().item<double>(), bound / 2);
  }
}

TEST(Mlp, KeysAreTheReferences) {
  EXPECT_THAT(MakeMlp(true)->named_parameters().keys(),
              testing::ElementsAre("layers.0.weight", "layers.0.bias", "layers.1.weight",
                                   "layers.1.bias", "layers.3.weight", "layers.3.bias"));
  EXPECT_THAT(
      MakeMlp(false)->named_parameters().keys(),
      testing::ElementsAre("layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"));
}

TEST(Mlp, IsNormLinearReluLinear) {
  Mlp mlp = MakeMlp(true);
  const torch::Tensor x = torch::randn({3, 6});
  const auto& linears = mlp->linears();
  const torch::Tensor normed = at::layer_norm(x, {6}, {}, {}, 1e-5);
  const torch::Tensor expected =
      at::linear(at::linear(normed, linears[0]->weight, linears[0]->bias).relu(),
                 linears[1]->weight, linears[1]->bias);
  EXPECT_TRUE(torch::allclose(mlp->forward(x), expected, 0, 1e-6));
  EXPECT_LT(expected.min().item<float>(), 0.0F);  // no activation at the end
}

TEST(Mlp, KeepsLeadingDimensions) {
  EXPECT_EQ(MakeMlp(false)->forward(torch::zeros({2, 3, 5, 6})).sizes().vec(),
            (std::vector<int64_t>{2, 3, 5, 4}));
}

TEST(Mlp, RefusesOneWidth) { EXPECT_THROW(Mlp(std::vector<int64_t>{6}, false), c10::Error); }

}  // namespace
}  // namespace slotmatch
