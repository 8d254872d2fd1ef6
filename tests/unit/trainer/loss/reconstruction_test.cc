#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

// The reference's mean over every element, not the paper's sum over tokens and channels.
TEST(ReconstructionLoss, IsTheMeanOverEveryElement) {
  LossInputs in;
  in.tokens = GoldenFill({2, 3, 4, 5}, 1);
  in.decoded.reconstruction = in.tokens + 2;
  EXPECT_NEAR(ReconstructionLoss(in, {}).item<double>(), 4.0, 1e-12);
  in.decoded.reconstruction = in.tokens.clone();
  in.decoded.reconstruction[1][2][3][4] += 3;
  EXPECT_NEAR(ReconstructionLoss(in, {}).item<double>(), 9.0 / (2 * 3 * 4 * 5), 1e-12);
}

TEST(MaskFollowLoss, IsLeastWhereMasksEqualAttention) {
  torch::manual_seed(51);
  LossInputs in;
  in.scan.attention = torch::randn({1, 2, 3, 4}, torch::kFloat64).softmax(2);
  in.decoded.masks = in.scan.attention;
  const double least = MaskFollowLoss(in, {}).item<double>();
  for (int i = 0; i < 5; ++i) {
    in.decoded.masks = torch::randn({1, 2, 3, 4}, torch::kFloat64).softmax(2);
    EXPECT_GT(MaskFollowLoss(in, {}).item<double>(), least);
  }
}

TEST(MaskFollowLoss, DoesNotPullOnTheAttention) {
  torch::manual_seed(52);
  LossInputs in;
  const torch::Tensor attention = torch::rand({1, 2, 3, 4}).set_requires_grad(true);
  const torch::Tensor masks = torch::rand({1, 2, 3, 4}).set_requires_grad(true);
  in.scan.attention = attention;
  in.decoded.masks = masks;
  MaskFollowLoss(in, {}).backward();
  EXPECT_FALSE(attention.grad().defined());
  EXPECT_TRUE(masks.grad().defined());
}

TEST(MaskFollowLoss, EmptyMasksStayFinite) {
  LossInputs in;
  in.scan.attention = torch::full({1, 1, 2, 3}, 0.5);
  in.decoded.masks = torch::zeros({1, 1, 2, 3});
  EXPECT_TRUE(MaskFollowLoss(in, {}).isfinite().item<bool>());
}

}  // namespace
}  // namespace slotmatch
