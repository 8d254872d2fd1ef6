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

std::shared_ptr<Decoder> MakeMlp() {
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
  const auto decoder = MakeMlp();
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

// Similarity channels follow the token's own and are mixed by the same masks.
TEST(MlpDecoder, SimilarityAloneIsTheRestOfBoth) {
  torch::NoGradGuard no_grad;
  config::DecoderConfig config = Config(12, 2);
  config.set_outputs(config::DecoderConfig::FEATURES_AND_SIMILARITY);
  const auto both = MakeMlpDecoder({8, 16, 5}, config);
  config.set_outputs(config::DecoderConfig::SIMILARITY);
  const auto alone = MakeMlpDecoder({8, 16, 5}, config);
  auto to = alone->named_parameters();
  for (const auto& item : both->named_parameters()) {
    const torch::Tensor& from = item.value();
    to[item.key()].copy_(from.size(0) == 5 + 16 + 1 ? from.slice(0, 5) : from);
  }
  const torch::Tensor slots = torch::randn({2, 3, 8});
  EXPECT_LT(MaxDifference(alone->Decode(slots, {}).similarity, both->Decode(slots, {}).similarity),
            1e-6);
}

}  // namespace
}  // namespace slotmatch
