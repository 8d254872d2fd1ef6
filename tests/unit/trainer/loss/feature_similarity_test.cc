#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

// B=1, T=3, N=4, D=2 with the reference's fill.
torch::Tensor GoldenKeys() { return GoldenFill({1, 3, 4, 2}, 70, 1.0); }
torch::Tensor GoldenLogits() { return GoldenFill({1, 3, 4, 4}, 71, 1.0); }

TEST(FeatureSimilarity, EqualsTheReference) {
  const torch::Tensor target = SimilarityTarget(GoldenKeys(), {}, 0.15, 0.0);
  EXPECT_LT(MaxDifference(target[0][0][0],
                          torch::tensor({0.0, 0.63112995, 0.0, 0.36887005}, torch::kFloat64)),
            1e-7);
  EXPECT_NEAR(FeatureSimilarity(GoldenLogits(), target).item<double>(), 1.8627198007, 1e-9);
}

TEST(FeatureSimilarity, TargetIsADistributionOverTheNextFrame) {
  const torch::Tensor target = SimilarityTarget(GoldenKeys(), {}, 0.15, 0.0);
  EXPECT_EQ(target.sizes().vec(), (std::vector<int64_t>{1, 2, 4, 4}));
  EXPECT_LT(MaxDifference(target.sum(-1), torch::ones({1, 2, 4})), 1e-12);
}

TEST(FeatureSimilarity, TokenLikeNoOtherSpreadsEvenly) {
  torch::Tensor keys = torch::ones({1, 2, 4, 2});
  keys[0][0][1] = -1;
  const torch::Tensor target = SimilarityTarget(keys, {}, 0.1, 0.0);
  EXPECT_LT(MaxDifference(target, torch::full({1, 1, 4, 4}, 0.25)), 1e-6);
}

TEST(FeatureSimilarity, ThresholdOfMinusTwoKeepsEveryPair) {
  EXPECT_GT(SimilarityTarget(GoldenKeys(), {}, 0.15, -2).min().item<double>(), 0.0);
  EXPECT_EQ(SimilarityTarget(GoldenKeys(), {}, 0.15, 0).min().item<double>(), 0.0);
}

TEST(FeatureSimilarity, LengthOfKeysDoesNotMatter) {
  EXPECT_LT(MaxDifference(SimilarityTarget(GoldenKeys(), {}, 0.15, 0.0),
                          SimilarityTarget(GoldenKeys() * 7, {}, 0.15, 0.0)),
            1e-9);
  const torch::Tensor zero = SimilarityTarget(torch::zeros({1, 2, 4, 2}), {}, 0.15, 0.0);
  EXPECT_TRUE(zero.isfinite().all().item<bool>());
}

TEST(FeatureSimilarity, SubsetOfTokensKeepsAllOfTheNextFrame) {
  const torch::Tensor index = torch::tensor({3, 1}, torch::kInt64);
  EXPECT_LT(MaxDifference(SimilarityTarget(GoldenKeys(), index, 0.15, 0.0),
                          SimilarityTarget(GoldenKeys(), {}, 0.15, 0.0).index_select(2, index)),
            1e-12);
}

TEST(FeatureSimilarity, LastFrameHasNoSayAndLeastIsTheEntropy) {
  const torch::Tensor target = SimilarityTarget(GoldenKeys(), {}, 0.15, -2);
  torch::Tensor logits = torch::cat({target.log(), torch::randn({1, 1, 4, 4})}, 1);
  const double entropy = -(target * target.log()).sum(-1).mean().item<double>();
  EXPECT_NEAR(FeatureSimilarity(logits, target).item<double>(), entropy, 1e-12);
  logits.set_requires_grad(true);
  FeatureSimilarity(logits, target).backward();
  EXPECT_EQ(logits.grad().select(1, 2).abs().max().item<double>(), 0.0);
}

TEST(FeatureSimilarity, NeedsTwoFrames) {
  EXPECT_THAT(MessageThrownBy([] {
                SimilarityTarget(torch::zeros({2, 1, 3, 4}), {}, 0.1, 0.0);
              }),
              testing::HasSubstr("at least 2 frames, got T=1"));
}

}  // namespace
}  // namespace slotmatch
