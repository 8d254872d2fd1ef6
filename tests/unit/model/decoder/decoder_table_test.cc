#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/decoder/decoder.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using Outputs = config::DecoderConfig::Outputs;

constexpr Outputs kOutputs[] = {config::DecoderConfig::FEATURES,
                                config::DecoderConfig::FEATURES_AND_SIMILARITY,
                                config::DecoderConfig::SIMILARITY};

// S=8, N=16, D=5; biases are not zero, which would hide what they do.
std::shared_ptr<Decoder> Make(const DecoderRow& row,
                              Outputs outputs = config::DecoderConfig::FEATURES_AND_SIMILARITY) {
  torch::manual_seed(10);
  config::DecoderConfig config;
  config.set_hidden_dim(12);
  config.set_num_hidden_layers(2);
  config.set_allocator_heads(2);
  config.set_outputs(outputs);
  const auto decoder = row.make({/*slot_dim=*/8, /*num_tokens=*/16, /*token_dim=*/5}, config);
  torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : decoder->parameters()) {
    parameter.add_(torch::randn_like(parameter), 0.1);
  }
  return decoder;
}

TEST(DecoderTable, EveryRowGivesWhatItsOutputsName) {
  torch::NoGradGuard no_grad;
  for (const DecoderRow& row : DecoderTable()) {
    for (const Outputs outputs : kOutputs) {
      SCOPED_TRACE(std::string(row.name) + " " + config::DecoderConfig::Outputs_Name(outputs));
      const DecodeResult result = Make(row, outputs)->Decode(torch::randn({2, 4, 3, 8}), {});
      EXPECT_EQ(result.masks.sizes().vec(), (std::vector<int64_t>{2, 4, 3, 16}));
      ASSERT_EQ(result.reconstruction.defined(), outputs != config::DecoderConfig::SIMILARITY);
      ASSERT_EQ(result.similarity.defined(), outputs != config::DecoderConfig::FEATURES);
      if (result.reconstruction.defined()) {
        EXPECT_EQ(result.reconstruction.sizes().vec(), (std::vector<int64_t>{2, 4, 16, 5}));
        EXPECT_TRUE(result.reconstruction.isfinite().all().item<bool>());
      }
      if (result.similarity.defined()) {
        EXPECT_EQ(result.similarity.sizes().vec(), (std::vector<int64_t>{2, 4, 16, 16}));
        EXPECT_TRUE(result.similarity.isfinite().all().item<bool>());
      }
    }
  }
}

TEST(DecoderTable, MasksEqualDecodesMasksAndSumToOne) {
  torch::NoGradGuard no_grad;
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    const auto decoder = Make(row);
    const torch::Tensor slots = torch::randn({2, 4, 3, 8});
    const torch::Tensor masks = decoder->Decode(slots, {}).masks;
    EXPECT_TRUE(torch::equal(decoder->Masks(slots), masks));
    const torch::Tensor sums = masks.sum(2);
    EXPECT_LT(MaxDifference(sums, torch::ones_like(sums)), 1e-5);
  }
}

TEST(DecoderTable, SubsetOfTokensEqualsSubsetOfAll) {
  torch::NoGradGuard no_grad;
  const torch::Tensor index = torch::tensor({7, 0, 15, 3}, torch::kInt64);
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    const auto decoder = Make(row);
    const torch::Tensor slots = torch::randn({2, 3, 8});
    const DecodeResult all = decoder->Decode(slots, {}), some = decoder->Decode(slots, index);
    EXPECT_LT(MaxDifference(some.masks, all.masks.index_select(2, index)), 1e-6);
    EXPECT_LT(MaxDifference(some.reconstruction, all.reconstruction.index_select(1, index)), 1e-6);
    EXPECT_LT(MaxDifference(some.similarity, all.similarity.index_select(1, index)), 1e-6);
  }
}

TEST(DecoderTable, OrderOfSlotsChangesOnlyTheOrderOfMasks) {
  torch::NoGradGuard no_grad;
  const torch::Tensor order = torch::tensor({1, 2, 0}, torch::kInt64);
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    const auto decoder = Make(row);
    const torch::Tensor slots = torch::randn({2, 3, 8});
    const DecodeResult plain = decoder->Decode(slots, {});
    const DecodeResult moved = decoder->Decode(slots.index_select(1, order), {});
    EXPECT_LT(MaxDifference(moved.masks, plain.masks.index_select(1, order)), 1e-5);
    EXPECT_LT(MaxDifference(moved.reconstruction, plain.reconstruction), 1e-5);
    EXPECT_LT(MaxDifference(moved.similarity, plain.similarity), 1e-5);
  }
}

TEST(DecoderTable, ClipsAndFramesDoNotMix) {
  torch::NoGradGuard no_grad;
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    const auto decoder = Make(row);
    const torch::Tensor slots = torch::randn({2, 4, 3, 8});
    const DecodeResult all = decoder->Decode(slots, {});
    const DecodeResult one = decoder->Decode(slots[1].slice(0, 2, 3), {});
    EXPECT_LT(MaxDifference(one.masks[0], all.masks[1][2]), 1e-6);
    EXPECT_LT(MaxDifference(one.similarity[0], all.similarity[1][2]), 1e-6);
  }
}

TEST(DecoderTable, ShapeErrorNamesLettersAndSizes) {
  for (const DecoderRow& row : DecoderTable()) {
    SCOPED_TRACE(row.name);
    EXPECT_THAT(MessageThrownBy([&] {
                  Make(row)->Masks(torch::zeros({2, 3, 7}));
                }),
                testing::HasSubstr("decoder slots: expected [..., K, S=8], got [2, 3, 7]"));
  }
}

}  // namespace
}  // namespace slotmatch
