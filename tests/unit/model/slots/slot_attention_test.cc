#include "core/model/slots/slot_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

torch::Tensor Rows(const std::vector<double>& values, int64_t width) {
  return torch::tensor(values, torch::kFloat64).view({1, -1, width});
}

// S=4, K=3, N=5 with the reference's fill.
class SlotAttentionGolden : public testing::Test {
 protected:
  SlotAttentionGolden() {
    module_->to(torch::kFloat64);
    const std::vector<std::pair<const char*, double>> linears = {
        {"to_q.weight", 1},          {"to_k.weight", 2},          {"to_v.weight", 3},
        {"gru.weight_ih", 4},        {"gru.weight_hh", 5},        {"gru.bias_ih", 6},
        {"gru.bias_hh", 7},          {"norm_features.bias", 9},   {"norm_slots.bias", 11},
        {"mlp.layers.0.bias", 13},   {"mlp.layers.1.weight", 14}, {"mlp.layers.1.bias", 15},
        {"mlp.layers.3.weight", 16}, {"mlp.layers.3.bias", 17}};
    for (const auto& [key, tag] : linears) FillParameter(*module_, key, tag);
    FillParameter(*module_, "norm_features.weight", 8, 0.5, 1);
    FillParameter(*module_, "norm_slots.weight", 10, 0.5, 1);
    FillParameter(*module_, "mlp.layers.0.weight", 12, 0.5, 1);
  }
  SlotAttentionResult Run(int64_t iterations) {
    torch::NoGradGuard no_grad;
    return module_->forward(GoldenFill({1, 5, 4}, 19), GoldenFill({1, 3, 4}, 18), iterations);
  }
  SlotAttention module_{4, true};
};

TEST_F(SlotAttentionGolden, AfterOneIteration) {
  const SlotAttentionResult result = Run(1);
  EXPECT_LT(MaxDifference(result.slots, Rows({0.44969652, -1.61907169, 0.76713209, 2.80737061,
                                              0.13548379, -3.15542919, 1.79447673, 4.24404920,
                                              0.09779486, -3.02875901, 1.51253594, 3.76134185},
                                             4)),
            1e-7);
  EXPECT_LT(MaxDifference(result.attention.slice(1, 0, 1),
                          Rows({0.58156549, 0.08723617, 0.05962512, 0.20062143, 0.78739218}, 5)),
            1e-7);
}

TEST_F(SlotAttentionGolden, AfterTwoIterations) {
  EXPECT_LT(MaxDifference(Run(2).slots, Rows({0.03576874, -3.22342081, 1.72306253, 3.90141757,
                                              0.13896245, -3.30817500, 1.74929832, 4.01110631,
                                              0.14159910, -3.30884733, 1.74966582, 3.98526105},
                                             4)),
            1e-7);
}

TEST_F(SlotAttentionGolden, AfterThreeIterations) {
  EXPECT_LT(MaxDifference(Run(3).slots, Rows({0.17565350, -3.31940660, 1.76587407, 3.98664765,
                                              0.17531255, -3.31881575, 1.76643512, 3.96358018,
                                              0.17775549, -3.31980535, 1.76625999, 3.96068446},
                                             4)),
            1e-7);
}

// An eps inside the attention itself would make the sums 1 + K * 1e-8.
TEST_F(SlotAttentionGolden, AttentionSumsToOneOverSlotsWithoutEps) {
  const torch::Tensor sums = Run(2).attention.sum(1);
  EXPECT_LT(MaxDifference(sums, torch::ones_like(sums)), 1e-14);
}

// The hidden state is the normalised slot: scaling the raw slots changes (nearly) nothing. With the
// raw slot as hidden state, as in the original paper, it would.
TEST_F(SlotAttentionGolden, GruRemembersTheNormalisedSlot) {
  torch::NoGradGuard no_grad;
  const torch::Tensor features = GoldenFill({1, 5, 4}, 19), slots = GoldenFill({1, 3, 4}, 18);
  EXPECT_LT(MaxDifference(module_->forward(features, slots, 1).slots,
                          module_->forward(features, 3 * slots, 1).slots),
            1e-3);
}

SlotAttention MakeModule(bool use_mlp) {
  torch::manual_seed(7);
  return SlotAttention(8, use_mlp);
}

TEST(SlotAttention, SlotsPermuteConsistently) {
  torch::NoGradGuard no_grad;
  SlotAttention module = MakeModule(true);
  const torch::Tensor features = torch::randn({2, 16, 8}), slots = torch::randn({2, 3, 8});
  const torch::Tensor order = torch::tensor({2, 0, 1}, torch::kInt64);
  const SlotAttentionResult plain = module->forward(features, slots, 2);
  const SlotAttentionResult moved = module->forward(features, slots.index_select(1, order), 2);
  EXPECT_LT(MaxDifference(moved.slots, plain.slots.index_select(1, order)), 1e-5);
  EXPECT_LT(MaxDifference(moved.attention, plain.attention.index_select(1, order)), 1e-5);
}

TEST(SlotAttention, IgnoresTheOrderOfTokens) {
  torch::NoGradGuard no_grad;
  SlotAttention module = MakeModule(true);
  const torch::Tensor features = torch::randn({1, 16, 8}), slots = torch::randn({1, 3, 8});
  EXPECT_LT(MaxDifference(module->forward(features, slots, 2).slots,
                          module->forward(features.flip(1), slots, 2).slots),
            1e-5);
}

TEST(SlotAttention, WithoutMlpHasNoMlpParameters) {
  EXPECT_EQ(MakeModule(true)->named_parameters().size(), 17u);
  EXPECT_EQ(MakeModule(false)->named_parameters().size(), 11u);
  EXPECT_EQ(MakeModule(false)->named_parameters().find("mlp.layers.0.weight"), nullptr);
}

TEST(SlotAttention, NormsUseTheDefaultEps) {
  int norms = 0;
  for (const auto& module : MakeModule(true)->modules()) {
    if (const auto* norm = module->as<torch::nn::LayerNorm>()) {
      EXPECT_EQ(norm->options.eps(), 1e-5);
      ++norms;
    }
  }
  EXPECT_EQ(norms, 3);
}

TEST(SlotAttention, ShapeErrorsNameLettersAndSizes) {
  SlotAttention module = MakeModule(true);
  EXPECT_THAT(MessageThrownBy([&] {
                module->forward(torch::zeros({2, 16, 7}), torch::zeros({2, 3, 8}), 1);
              }),
              HasSubstr("slot attention features: expected [B, N, S=8], got [2, 16, 7]"));
  EXPECT_THAT(MessageThrownBy([&] {
                module->forward(torch::zeros({2, 16, 8}), torch::zeros({1, 3, 8}), 1);
              }),
              HasSubstr("slot attention slots: expected [B=2, K, S=8], got [1, 3, 8]"));
}

}  // namespace
}  // namespace slotmatch
