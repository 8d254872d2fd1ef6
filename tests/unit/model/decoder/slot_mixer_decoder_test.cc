#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "core/model/decoder/decoder.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

// S=4, N=2, D=3, one allocator block of two heads, renderer 5 x 2.
std::shared_ptr<Decoder> MakeSlotMixer() {
  torch::manual_seed(11);
  config::DecoderConfig config;
  config.set_hidden_dim(5);
  config.set_num_hidden_layers(1);
  config.set_allocator_blocks(1);
  config.set_allocator_heads(2);
  config.set_outputs(config::DecoderConfig::FEATURES_AND_SIMILARITY);
  return MakeSlotMixerDecoder({/*slot_dim=*/4, /*num_tokens=*/2, /*token_dim=*/3}, config);
}

const std::vector<std::string>& Keys() {
  static const auto& keys = *new std::vector<std::string>{
      "pos_emb",
      "allocator.blocks.0.norm1.weight",
      "allocator.blocks.0.norm1.bias",
      "allocator.blocks.0.self_attn.qkv.weight",
      "allocator.blocks.0.self_attn.qkv.bias",
      "allocator.blocks.0.self_attn.out_proj.weight",
      "allocator.blocks.0.self_attn.out_proj.bias",
      "allocator.blocks.0.norm2.weight",
      "allocator.blocks.0.norm2.bias",
      "allocator.blocks.0.linear1.weight",
      "allocator.blocks.0.linear1.bias",
      "allocator.blocks.0.linear2.weight",
      "allocator.blocks.0.linear2.bias",
      "to_q.weight",
      "to_k.weight",
      "norm_q.weight",
      "norm_q.bias",
      "norm_k.weight",
      "norm_k.bias",
      "norm_memory.weight",
      "norm_memory.bias",
      "renderer.layers.0.weight",
      "renderer.layers.0.bias",
      "renderer.layers.2.weight",
      "renderer.layers.2.bias",
      "output_transform.weight",
      "output_transform.bias",
  };
  return keys;
}

TEST(SlotMixerDecoder, KeysEqualTheReferenceCheckpoints) {
  EXPECT_THAT(MakeSlotMixer()->named_parameters().keys(),
              testing::UnorderedElementsAreArray(Keys()));
}

// K=3 slots of tag 79, parameters of tags 80 on in the order of Keys(), norm weights around 1;
// computed in float64 from the reference's definition, statement by statement.
TEST(SlotMixerDecoder, EqualsTheReference) {
  torch::NoGradGuard no_grad;
  const auto decoder = MakeSlotMixer();
  decoder->to(torch::kFloat64);
  double tag = 80;
  for (const std::string& key : Keys()) {
    const bool around_one = key.find("norm") != std::string::npos && key.back() == 't';
    FillParameter(*decoder, key, tag++, 0.5, around_one ? 1 : 0);
  }
  const DecodeResult result = decoder->Decode(GoldenFill({1, 3, 4}, 79), {});
  const torch::Tensor reconstruction = torch::tensor(
      {-0.24380111, 0.29787317, 0.49448354, -0.0534709, 0.43630513, 0.57453519}, torch::kFloat64);
  const torch::Tensor similarity =
      torch::tensor({-0.0248151, -0.58245795, -0.00689214, -0.62750293}, torch::kFloat64);
  const torch::Tensor masks = torch::tensor(
      {0.74204287, 0.76450573, 0.21364852, 0.17787486, 0.04430862, 0.05761942}, torch::kFloat64);
  EXPECT_LT(MaxDifference(result.reconstruction, reconstruction.view({1, 2, 3})), 1e-7);
  EXPECT_LT(MaxDifference(result.similarity, similarity.view({1, 2, 2})), 1e-7);
  EXPECT_LT(MaxDifference(result.masks, masks.view({1, 3, 2})), 1e-7);
}

TEST(SlotMixerDecoder, StartsAsTheReference) {
  config::DecoderConfig config;
  config.set_hidden_dim(64);
  const auto parameters = MakeSlotMixerDecoder({64, 25, 48}, config)->named_parameters();
  EXPECT_NEAR(parameters["pos_emb"].std().item<double>(), 1.0 / 8, 0.01);
  const double square = std::sqrt(6.0 / 128), output = std::sqrt(6.0 / (64 + 48));
  for (const auto& [key, bound] :
       {std::pair("to_q.weight", square), std::pair("to_k.weight", square),
        std::pair("output_transform.weight", output)}) {
    const double largest = parameters[key].abs().max().item<double>();
    EXPECT_LE(largest, bound) << key;
    EXPECT_GT(largest, 0.95 * bound) << key;
  }
  for (const char* key : {"output_transform.bias", "renderer.layers.0.bias"}) {
    EXPECT_EQ(parameters[key].abs().max().item<double>(), 0.0) << key;
  }
}

}  // namespace
}  // namespace slotmatch
