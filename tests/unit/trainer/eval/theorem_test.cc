#include "trainer/eval/theorem.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

// A linear f has one Jacobian everywhere: its matrix.
TEST(LocalLipschitz, OfALinearMapIsItsLargestSingularValue) {
  torch::manual_seed(1);
  const torch::Tensor matrix = torch::randn({7, 4}, torch::kFloat64);
  const double expected =
      std::get<1>(torch::linalg_svd(matrix, false, c10::nullopt)).max().item<double>();
  const torch::Tensor found =
      LocalLipschitz([&](const torch::Tensor& x) { return x.matmul(matrix.t()); },
                     torch::randn({3, 4}, torch::kFloat64), 100);
  EXPECT_LT(MaxDifference(found, torch::full({3}, expected, torch::kFloat64)), 1e-6);
}

TEST(CheckTheorem, IdentityMeetsTheBoundExactly) {
  torch::manual_seed(2);
  const torch::Tensor teacher = torch::randn({5, 8}, torch::kFloat64);
  const torch::Tensor student = torch::randn({5, 8}, torch::kFloat64);
  const auto pairs = CheckTheorem([](const torch::Tensor& x) { return x * 1.0; }, teacher, student);
  ASSERT_EQ(pairs.size(), 5u);
  for (const TheoremPair& pair : pairs) {
    EXPECT_NEAR(pair.local_lipschitz, 1, 1e-9);
    EXPECT_NEAR(pair.measured, pair.distance, 1e-9 * pair.distance);  // ||t - s||^2 = 2 r^2 c
    EXPECT_NEAR(pair.unscaled_measured, pair.unscaled_distance, 1e-9 * pair.unscaled_distance);
  }
}

TEST(CheckTheorem, EqualSlotsMoveNothing) {
  const torch::Tensor slots = torch::randn({3, 8}, torch::kFloat64);
  for (const TheoremPair& pair :
       CheckTheorem([](const torch::Tensor& x) { return x * 2.0; }, slots, slots)) {
    EXPECT_NEAR(pair.cosine_distance, 0, 1e-12);
    EXPECT_NEAR(pair.measured, 0, 1e-12);
    EXPECT_NEAR(pair.norm_ratio, 1, 1e-12);
  }
}

TEST(WeightsLipschitz, BoundsWhatTheDecoderDoes) {
  VideoModel model = MakeTinyModel(TinyModelConfig(), 3, WithEncoder::kNo);
  const double bound = WeightsLipschitz(model);
  torch::manual_seed(4);
  const auto pairs =
      CheckTheorem(DecoderOfOneSlot(model), torch::randn({3, 8}), torch::randn({3, 8}));
  for (const TheoremPair& pair : pairs) {
    EXPECT_GT(pair.local_lipschitz, 0);
    EXPECT_LE(pair.local_lipschitz, bound);
    EXPECT_LE(pair.measured, bound * bound * pair.distance);
  }
}

TEST(WeightsLipschitz, IsUnknownForOtherDecoders) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_decoder()->set_kind("slot_mixer");
  config.mutable_decoder()->set_allocator_heads(2);
  EXPECT_TRUE(std::isnan(WeightsLipschitz(MakeTinyModel(config, 5, WithEncoder::kNo))));
}

}  // namespace
}  // namespace slotmatch
