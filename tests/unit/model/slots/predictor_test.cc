#include "core/model/slots/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

config::PredictorConfig PredictorSettings(int blocks, int heads) {
  config::PredictorConfig config;
  config.set_num_blocks(blocks);
  config.set_num_heads(heads);
  return config;
}

std::shared_ptr<Predictor> Transformer(int blocks = 1) {
  for (const PredictorRow& row : PredictorTable()) {
    if (std::string(row.name) == "transformer") {
      torch::manual_seed(8);
      return row.make(8, PredictorSettings(blocks, 2));
    }
  }
  return nullptr;
}

// S=8, 2 heads, K=3 with the reference's fill.
torch::Tensor GoldenOutput() {
  torch::NoGradGuard no_grad;
  const auto module = Transformer();
  module->to(torch::kFloat64);
  const std::string block = "blocks.0.";
  FillParameter(*module, block + "norm1.weight", 21, 0.5, 1);
  FillParameter(*module, block + "norm1.bias", 22);
  FillParameter(*module, block + "self_attn.qkv.weight", 23, 0.2);
  FillParameter(*module, block + "self_attn.qkv.bias", 24, 0.2);
  FillParameter(*module, block + "self_attn.out_proj.weight", 25, 0.2);
  FillParameter(*module, block + "self_attn.out_proj.bias", 26, 0.2);
  FillParameter(*module, block + "norm2.weight", 27, 0.5, 1);
  FillParameter(*module, block + "norm2.bias", 28);
  FillParameter(*module, block + "linear1.weight", 29, 0.2);
  FillParameter(*module, block + "linear1.bias", 30, 0.2);
  FillParameter(*module, block + "linear2.weight", 31, 0.2);
  FillParameter(*module, block + "linear2.bias", 32, 0.2);
  return module->forward(GoldenFill({1, 3, 8}, 33));
}

TEST(TransformerPredictor, EqualsTheReferenceAsExecuted) {
  const torch::Tensor slot0 = torch::tensor({1.25890483, 0.21615091, -0.63810009, -0.30761628,
                                             -0.36809474, 1.01122742, 0.49729742, -1.03730285},
                                            torch::kFloat64);
  EXPECT_LT(MaxDifference(GoldenOutput()[0][0], slot0), 1e-7);
}

// The reference divides q by head_dim ** -0.5. The usual scaling is another function.
TEST(TransformerPredictor, IsNotTheConventionalScaling) {
  const torch::Tensor conventional =
      torch::tensor({1.18866273, 0.21310311, -0.56274266, -0.39025840}, torch::kFloat64);
  EXPECT_GT(MaxDifference(GoldenOutput()[0][0].slice(0, 0, 4), conventional), 0.05);
}

TEST(TransformerPredictor, SlotsPermuteConsistently) {
  torch::NoGradGuard no_grad;
  const auto module = Transformer();
  const torch::Tensor slots = torch::randn({2, 3, 8});
  const torch::Tensor order = torch::tensor({1, 2, 0}, torch::kInt64);
  EXPECT_LT(MaxDifference(module->forward(slots.index_select(1, order)),
                          module->forward(slots).index_select(1, order)),
            1e-5);
}

TEST(TransformerPredictor, StartsAsTheReference) {
  const auto parameters = Transformer()->named_parameters();
  const double bound = std::sqrt(6.0 / 16);
  const torch::Tensor qkv = parameters["blocks.0.self_attn.qkv.weight"];
  EXPECT_LE(qkv.abs().max().item<double>(), bound);
  // Wider than both nn.Linear's default (0.354) and Xavier over the fused [3S, S] (0.433).
  EXPECT_GT(qkv.abs().max().item<double>(), 0.5);
  EXPECT_EQ(parameters["blocks.0.self_attn.qkv.bias"].abs().max().item<float>(), 0.0F);
  EXPECT_EQ(parameters["blocks.0.self_attn.out_proj.bias"].abs().max().item<float>(), 0.0F);
  EXPECT_GT(parameters["blocks.0.linear1.bias"].abs().max().item<float>(), 0.0F);
}

TEST(TransformerPredictor, BuildsAsManyBlocksAsAsked) {
  EXPECT_EQ(Transformer(1)->named_parameters().size(), 12u);
  EXPECT_EQ(Transformer(3)->named_parameters().size(), 36u);
}

TEST(TransformerPredictor, ShapeErrorNamesLettersAndSizes) {
  EXPECT_THAT(MessageThrownBy([] {
                Transformer()->forward(torch::zeros({3, 8}));
              }),
              testing::HasSubstr("predictor input: expected [B, K, S=8], got [3, 8]"));
}

TEST(PredictorTable, EveryRowBuildsAndRuns) {
  torch::NoGradGuard no_grad;
  for (const PredictorRow& row : PredictorTable()) {
    SCOPED_TRACE(row.name);
    if (row.make == nullptr) continue;  // no recurrence
    const torch::Tensor next =
        row.make(8, PredictorSettings(1, 2))->forward(torch::randn({2, 3, 8}));
    EXPECT_EQ(next.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
    EXPECT_TRUE(next.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace slotmatch
