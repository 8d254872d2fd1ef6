#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/decoder/decoder.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

config::DecoderConfig Config(int hidden, int layers) {
  config::DecoderConfig config;
  config.set_hidden_dim(hidden);
  config.set_num_hidden_layers(layers);
  return config;
}

std::shared_ptr<Decoder> MakeDecoder() {
  torch::manual_seed(10);
  return MakeMlpDecoder({/*slot_dim=*/8, /*num_tokens=*/16, /*token_dim=*/5}, Config(12, 2));
}

// S=4, K=2, N=4, hidden 6x3, D=3 with the reference's fill.
TEST(MlpDecoder, EqualsTheReference) {
  torch::NoGradGuard no_grad;
  const auto decoder = MakeMlpDecoder({4, 4, 3}, Config(6, 3));
  decoder->to(torch::kFloat64);
  FillParameter(*decoder, "pos_emb", 52);
  for (int layer = 0; layer < 4; ++layer) {
    const std::string key = "mlp.layers." + std::to_string(2 * layer);
    FillParameter(*decoder, key + ".weight", 53 + 2 * layer);
    FillParameter(*decoder, key + ".bias", 54 + 2 * layer);
  }
  const DecodeResult result = decoder->Decode(GoldenFill({1, 2, 4}, 51), {});
  const torch::Tensor reconstruction =
      torch::tensor({0.42967480, -1.16064473, -0.76830245, 0.33773781, -1.29848254, -0.69123966,
                     0.13378000, -1.11998221, -0.46801972, 0.02790762, -0.76643156, -0.32399539},
                    torch::kFloat64)
          .view({1, 4, 3});
  const torch::Tensor slot0 =
      torch::tensor({0.52934566, 0.52082919, 0.55146135, 0.54238670}, torch::kFloat64);
  EXPECT_LT(MaxDifference(result.reconstruction, reconstruction), 1e-7);
  EXPECT_LT(MaxDifference(result.masks[0], torch::stack({slot0, 1 - slot0})), 1e-7);
}

// The shortcuts (split first layer, mixing before the last product) against the definition.
TEST(MlpDecoder, EqualsItsDefinition) {
  torch::NoGradGuard no_grad;
  const auto decoder = MakeDecoder();
  decoder->to(torch::kFloat64);
  const auto p = decoder->named_parameters();
  for (const char* layer : {"0", "2", "4"}) {  // biases start at zero and would test nothing
    torch::Tensor bias = p[std::string("mlp.layers.") + layer + ".bias"];
    bias.normal_();
  }
  const torch::Tensor slots = torch::randn({2, 3, 8}, torch::kFloat64);
  torch::Tensor z = slots.unsqueeze(2) + p["pos_emb"];  // [B, K, N, S]
  for (const std::string layer : {"0", "2", "4"}) {
    z = at::linear(z, p["mlp.layers." + layer + ".weight"], p["mlp.layers." + layer + ".bias"]);
    if (layer != "4") z = z.relu();
  }
  const torch::Tensor masks = z.select(-1, 5).softmax(1);
  const torch::Tensor mixed = (masks.unsqueeze(-1) * z.slice(-1, 0, 5)).sum(1);
  const DecodeResult result = decoder->Decode(slots, {});
  EXPECT_LT(MaxDifference(result.masks, masks), 1e-12);
  EXPECT_LT(MaxDifference(result.reconstruction, mixed), 1e-12);
}

TEST(MlpDecoder, MasksEqualDecodesMasksAndSumToOne) {
  torch::NoGradGuard no_grad;
  const auto decoder = MakeDecoder();
  const torch::Tensor slots = torch::randn({2, 4, 3, 8});  // [B, T, K, S]
  const DecodeResult result = decoder->Decode(slots, {});
  EXPECT_EQ(result.masks.sizes().vec(), (std::vector<int64_t>{2, 4, 3, 16}));
  EXPECT_EQ(result.reconstruction.sizes().vec(), (std::vector<int64_t>{2, 4, 16, 5}));
  EXPECT_TRUE(torch::equal(decoder->Masks(slots), result.masks));
  const torch::Tensor sums = result.masks.sum(2);
  EXPECT_LT(MaxDifference(sums, torch::ones_like(sums)), 1e-5);
}

TEST(MlpDecoder, SubsetOfTokensEqualsSubsetOfAll) {
  torch::NoGradGuard no_grad;
  const auto decoder = MakeDecoder();
  const torch::Tensor slots = torch::randn({2, 3, 8});
  const torch::Tensor index = torch::tensor({7, 0, 15, 3}, torch::kInt64);
  const DecodeResult all = decoder->Decode(slots, {}), some = decoder->Decode(slots, index);
  EXPECT_LT(MaxDifference(some.masks, all.masks.index_select(2, index)), 1e-6);
  EXPECT_LT(MaxDifference(some.reconstruction, all.reconstruction.index_select(1, index)), 1e-6);
}

TEST(MlpDecoder, ShapeErrorNamesLettersAndSizes) {
  EXPECT_THAT(MessageThrownBy([] {
                MakeDecoder()->Masks(torch::zeros({2, 3, 7}));
              }),
              testing::HasSubstr("decoder slots: expected [..., K, S=8], got [2, 3, 7]"));
}

TEST(DecoderTable, EveryRowBuildsAndRuns) {
  torch::NoGradGuard no_grad;
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    const auto decoder = row.make({8, 16, 5}, Config(12, 2));
    const torch::Tensor slots = torch::randn({2, 3, 8});
    const DecodeResult result = decoder->Decode(slots, {});
    EXPECT_EQ(result.masks.sizes().vec(), (std::vector<int64_t>{2, 3, 16}));
    EXPECT_EQ(result.reconstruction.sizes().vec(), (std::vector<int64_t>{2, 16, 5}));
    EXPECT_LT(MaxDifference(decoder->Masks(slots), result.masks), 1e-6);
    EXPECT_TRUE(result.reconstruction.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace slotmatch
