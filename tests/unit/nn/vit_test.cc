#include "core/nn/vit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace slotmatch {
namespace {

using testing::HasSubstr;

constexpr VitShape kTiny{/*patch_px=*/14, /*dim=*/8, /*depth=*/2, /*heads=*/2, /*pos_grid=*/3};

VitShape WithDepth(int64_t depth) {
  VitShape shape = kTiny;
  shape.depth = depth;
  return shape;
}

Vit MakeVit(const VitShape& shape, uint64_t seed = 3) {
  torch::manual_seed(seed);
  Vit vit(shape);
  for (torch::Tensor& weight : vit->parameters()) weight.set_requires_grad(false);
  return vit;
}

torch::Tensor Frames(int64_t batch, int64_t height, int64_t width) {
  torch::manual_seed(4);
  return torch::randn({batch, 3, height, width});
}

// Makes both residual branches of a block add nothing.
void Silence(Vit& vit, int64_t block) {
  for (const char* scale : {"ls1", "ls2"}) {
    vit->named_parameters()["blocks." + std::to_string(block) + "." + scale + ".gamma"].zero_();
  }
}

std::string MessageFor(Vit vit, const torch::Tensor& frames) {
  try {
    vit->forward(frames);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

TEST(Vit, GivesOneTokenPerPatchOfAnyGrid) {
  Vit vit = MakeVit(kTiny);
  EXPECT_EQ(vit->forward(Frames(2, 42, 42)).sizes().vec(), (std::vector<int64_t>{2, 9, 8}));
  EXPECT_EQ(vit->forward(Frames(1, 28, 56)).sizes().vec(), (std::vector<int64_t>{1, 8, 8}));
}

TEST(Vit, ShapeErrorsNameLettersAndSizes) {
  EXPECT_THAT(MessageFor(MakeVit(kTiny), torch::zeros({2, 1, 28, 28})),
              HasSubstr("expected [B, C=3, H, W], got [2, 1, 28, 28]"));
  EXPECT_THAT(MessageFor(MakeVit(kTiny), torch::zeros({2, 3, 28, 30})),
              HasSubstr("H and W must be multiples of 14, got [2, 3, 28, 30]"));
}

TEST(Vit, KeysAreTimmsWithoutFinalNormAndMaskToken) {
  const auto keys = MakeVit(WithDepth(1))->named_parameters().keys();
  EXPECT_THAT(keys,
              testing::UnorderedElementsAre(
                  "cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias",
                  "blocks.0.norm1.weight", "blocks.0.norm1.bias", "blocks.0.attn.qkv.weight",
                  "blocks.0.attn.qkv.bias", "blocks.0.attn.proj.weight", "blocks.0.attn.proj.bias",
                  "blocks.0.ls1.gamma", "blocks.0.norm2.weight", "blocks.0.norm2.bias",
                  "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.bias", "blocks.0.mlp.fc2.weight",
                  "blocks.0.mlp.fc2.bias", "blocks.0.ls2.gamma"));
}

TEST(Vit, DepthKeepsTheFirstBlocks) {
  Vit deep = MakeVit(WithDepth(3));
  Vit shallow = MakeVit(WithDepth(2), /*seed=*/9);
  for (auto& item : shallow->named_parameters()) {
    item.value().copy_(deep->named_parameters()[item.key()]);
  }
  Silence(deep, 2);
  const torch::Tensor frames = Frames(1, 28, 28);
  EXPECT_TRUE(torch::equal(deep->forward(frames), shallow->forward(frames)));
}

// With every branch silent a token is patch projection plus position, raw: row-major patches, CLS
// dropped, no final norm.
TEST(Vit, TokensAreRawRowMajorPatches) {
  Vit vit = MakeVit(WithDepth(1));
  Silence(vit, 0);
  auto parameters = vit->named_parameters();
  parameters["pos_embed"].zero_();
  parameters["patch_embed.proj.bias"].zero_();
  torch::Tensor weight = parameters["patch_embed.proj.weight"];
  weight.zero_();
  weight[5][0].fill_(1.0 / (14 * 14));  // channel 5: mean of red
  torch::Tensor frames = torch::zeros({1, 3, 28, 42});
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t x = 0; x < 3; ++x) {
      frames[0][0].slice(0, 14 * y, 14 * y + 14).slice(1, 14 * x, 14 * x + 14).fill_(10 * y + x);
    }
  }
  const torch::Tensor tokens = vit->forward(frames)[0];
  const torch::Tensor expected = torch::tensor({0.0, 1.0, 2.0, 10.0, 11.0, 12.0}, torch::kFloat32);
  EXPECT_TRUE(torch::allclose(tokens.select(1, 5), expected, 0, 1e-4));
  EXPECT_EQ(tokens.select(1, 4).abs().max().item<float>(), 0.0F);
}

TEST(Vit, PositionsAreAddedToPatchesInTheirOrder) {
  Vit vit = MakeVit(WithDepth(1));
  Silence(vit, 0);
  auto parameters = vit->named_parameters();
  parameters["patch_embed.proj.bias"].zero_();
  parameters["patch_embed.proj.weight"].zero_();
  EXPECT_TRUE(torch::equal(vit->forward(Frames(1, 42, 42)), parameters["pos_embed"].slice(1, 1)));
}

TEST(Vit, PositionsFollowTheWeights) {
  Vit vit = MakeVit(kTiny), other = MakeVit(kTiny, /*seed=*/8);
  const torch::Tensor frames = Frames(1, 28, 56);  // not the table's grid
  const torch::Tensor before = vit->forward(frames);
  for (auto& item : vit->named_parameters()) {
    item.value().copy_(other->named_parameters()[item.key()]);
  }
  EXPECT_TRUE(torch::equal(vit->forward(frames), other->forward(frames)));
  EXPECT_FALSE(torch::equal(vit->forward(frames), before));
  vit->to(torch::kFloat64);
  EXPECT_EQ(vit->forward(frames.to(torch::kFloat64)).scalar_type(), torch::kFloat64);
}

TEST(Vit, PositionsAreResampledOncePerGridUnderInferenceModeToo) {
  Vit vit = MakeVit(kTiny);
  const torch::Tensor frames = Frames(1, 28, 56);
  const torch::Tensor outside = vit->forward(frames);
  c10::InferenceMode guard;
  EXPECT_TRUE(torch::equal(vit->forward(frames), outside));
  EXPECT_TRUE(torch::equal(MakeVit(kTiny)->forward(frames), outside));
}

TEST(Vit, GradientReachesThePositions) {
  Vit vit = MakeVit(kTiny);
  torch::Tensor table = vit->named_parameters()["pos_embed"];
  table.set_requires_grad(true);
  vit->forward(Frames(1, 28, 56)).square().sum().backward();
  EXPECT_GT(table.grad().abs().max().item<double>(), 0.0);
}

TEST(Vit, WithoutLayerScaleBranchesAreAddedAsTheyAre) {
  VitShape shape = kTiny;
  shape.layer_scale = false;
  Vit plain = MakeVit(shape), scaled = MakeVit(kTiny, /*seed=*/9);  // scales start at 1
  auto parameters = plain->named_parameters();
  for (auto& item : scaled->named_parameters()) {
    if (item.key().find(".gamma") == std::string::npos) {
      item.value().copy_(parameters[item.key()]);
    } else {
      EXPECT_FALSE(parameters.contains(item.key())) << item.key();
    }
  }
  const torch::Tensor frames = Frames(1, 28, 28);
  EXPECT_TRUE(torch::equal(plain->forward(frames), scaled->forward(frames)));
}

TEST(Vit, KeysAreTheKeyRowsOfTheLastBlock) {
  Vit vit = MakeVit(kTiny);
  auto parameters = vit->named_parameters();
  parameters["blocks.1.attn.qkv.weight"].zero_();
  parameters["blocks.1.attn.qkv.bias"].copy_(torch::arange(24, torch::kFloat32));
  const torch::Tensor frames = Frames(2, 28, 28);
  const VitFeatures features = vit->Features(frames);
  EXPECT_TRUE(torch::equal(features.tokens, vit->forward(frames)));
  EXPECT_TRUE(torch::equal(features.keys, torch::arange(8, 16, torch::kFloat32).expand({2, 4, 8})));
}

TEST(Vit, BFloat16TouchesOnlyMatrixProducts) {
  Vit vit = MakeVit(kTiny);
  const torch::Tensor frames = Frames(1, 28, 28);
  const torch::Tensor wide = vit->forward(frames);
  vit->UseBFloat16();
  const torch::Tensor narrow = vit->forward(frames);
  EXPECT_EQ(narrow.scalar_type(), torch::kFloat32);
  auto parameters = vit->named_parameters();
  EXPECT_EQ(parameters["blocks.0.mlp.fc1.weight"].scalar_type(), torch::kBFloat16);
  EXPECT_EQ(parameters["blocks.0.norm1.weight"].scalar_type(), torch::kFloat32);
  EXPECT_EQ(parameters["patch_embed.proj.weight"].scalar_type(), torch::kFloat32);
  const double difference = (wide - narrow).abs().max().item<double>();
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.05);
}

// The block written out head by head, with the erf GELU and eps 1e-6.
torch::Tensor NaiveBlock(const VitBlock& block, const torch::Tensor& x) {
  const auto p = block->named_parameters();
  const int64_t dim = x.size(1), heads = kTiny.heads, width = dim / heads;
  const auto norm = [&](const torch::Tensor& y, const std::string& name) {
    const torch::Tensor centred = y - y.mean(-1, true);
    const torch::Tensor variance = centred.square().mean(-1, true);
    return centred / (variance + 1e-6).sqrt() * p[name + ".weight"] + p[name + ".bias"];
  };
  const torch::Tensor qkv =
      at::matmul(norm(x, "norm1"), p["attn.qkv.weight"].t()) + p["attn.qkv.bias"];
  std::vector<torch::Tensor> mixed;
  for (int64_t h = 0; h < heads; ++h) {
    const auto part = [&](int64_t i) {
      return qkv.slice(1, i * dim + h * width, i * dim + (h + 1) * width);
    };
    const torch::Tensor logits =
        at::matmul(part(0), part(1).t()) / std::sqrt(static_cast<double>(width));
    mixed.push_back(at::matmul(logits.softmax(-1), part(2)));
  }
  const torch::Tensor y =
      x + p["ls1.gamma"] *
              (at::matmul(torch::cat(mixed, 1), p["attn.proj.weight"].t()) + p["attn.proj.bias"]);
  const torch::Tensor h = at::matmul(norm(y, "norm2"), p["mlp.fc1.weight"].t()) + p["mlp.fc1.bias"];
  const torch::Tensor gelu = 0.5 * h * (1 + (h / std::sqrt(2.0)).erf());
  return y + p["ls2.gamma"] * (at::matmul(gelu, p["mlp.fc2.weight"].t()) + p["mlp.fc2.bias"]);
}

TEST(VitBlock, EqualsItsDefinition) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  VitBlock block(kTiny);
  block->to(torch::kFloat64);
  for (auto& item : block->named_parameters())
    item.value().add_(torch::randn_like(item.value()) * 0.3);
  // Tiny activations make eps 1e-6 and 1e-5 differ visibly.
  const torch::Tensor x = torch::randn({5, 8}, torch::kFloat64) * 1e-3;
  const torch::Tensor got = block->forward(x.unsqueeze(0))[0];
  EXPECT_LT((got - NaiveBlock(block, x)).abs().max().item<double>(), 1e-12);
}

// Reference values for a 37 x 37 table resampled to 24 x 24 (antialiased bicubic, a = -0.5).
struct PositionGolden {
  const char* name;
  bool sine;
  double at_0_0, at_0_1, at_11_12, at_23_23, tolerance;
};

class ResamplePositionsGolden : public testing::TestWithParam<PositionGolden> {};

TEST_P(ResamplePositionsGolden, EqualsTheReference) {
  const PositionGolden& golden = GetParam();
  torch::Tensor table = torch::empty({1, 1 + 37 * 37, 1});
  table[0][0][0] = 7.0;
  for (int64_t y = 0; y < 37; ++y) {
    for (int64_t x = 0; x < 37; ++x) {
      table[0][1 + 37 * y + x][0] =
          golden.sine ? std::sin(0.9 * static_cast<double>(x) + 0.4 * static_cast<double>(y))
                      : static_cast<double>(37 * y + x);
    }
  }
  const torch::Tensor resampled = ResamplePositions(table, 24, 24);
  ASSERT_EQ(resampled.sizes().vec(), (std::vector<int64_t>{1, 1 + 24 * 24, 1}));
  const auto at = [&](int64_t y, int64_t x) {
    return resampled[0][1 + 24 * y + x][0].item<double>();
  };
  EXPECT_EQ(resampled[0][0][0].item<float>(), 7.0F);  // the CLS row is never resampled
  EXPECT_NEAR(at(0, 0), golden.at_0_0, golden.tolerance);
  EXPECT_NEAR(at(0, 1), golden.at_0_1, golden.tolerance);
  EXPECT_NEAR(at(11, 12), golden.at_11_12, golden.tolerance);
  EXPECT_NEAR(at(23, 23), golden.at_23_23, golden.tolerance);
}

INSTANTIATE_TEST_SUITE_P(Tables, ResamplePositionsGolden,
                         testing::Values(PositionGolden{"Linear", false, 11.547538, 13.022865,
                                                        656.658508, 1356.452271, 5e-4},
                                         PositionGolden{"Sine", true, 0.392416, 0.921763, -0.934204,
                                                        0.646726, 5e-6}),
                         [](const auto& info) { return info.param.name; });

TEST(ResamplePositions, KeepsTheTableAtItsOwnGrid) {
  torch::manual_seed(6);
  const torch::Tensor table = torch::randn({1, 1 + 9, 4});
  EXPECT_TRUE(torch::equal(ResamplePositions(table, 3, 3), table));
}

TEST(ResamplePositions, CountsInFloat32WhateverTheTable) {
  torch::manual_seed(6);
  const torch::Tensor table = torch::randn({1, 1 + 9, 4});
  const torch::Tensor wide = ResamplePositions(table.to(torch::kFloat64), 2, 4);
  EXPECT_EQ(wide.scalar_type(), torch::kFloat64);
  EXPECT_TRUE(torch::equal(wide, ResamplePositions(table, 2, 4).to(torch::kFloat64)));
}

TEST(ResamplePositions, IsRowMajorOnAnOblongGrid) {
  // A table that grows along rows only must stay constant within each row.
  const torch::Tensor rows = torch::arange(16, torch::kFloat32).view({4, 4}).div(4).floor();
  const torch::Tensor table = torch::cat({torch::zeros({1}), rows.view({16})}).view({1, 17, 1});
  const torch::Tensor grid = ResamplePositions(table, 2, 6).slice(1, 1).view({2, 6});
  EXPECT_LT((grid - grid.slice(1, 0, 1)).abs().max().item<float>(), 1e-6F);
  EXPECT_GT((grid[1][0] - grid[0][0]).item<float>(), 1.0F);
}

}  // namespace
}  // namespace slotmatch
