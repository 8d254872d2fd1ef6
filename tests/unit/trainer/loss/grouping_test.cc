#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

class GroupingLossTest : public testing::Test {
 protected:
  GroupingLossTest() {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_grouping_head()->set_enabled(true);
    config.mutable_grouping_head()->set_hidden_dim(12);
    in_.model = MakeTinyModel(config, 55, WithEncoder::kNo);
    in_.model->to(torch::kFloat64);
    in_.tokens = torch::randn({2, 2, 16, 16}, torch::kFloat64);
    in_.scan.slots = torch::randn({2, 2, 3, 8}, torch::kFloat64);
    in_.scan.attention = torch::randn({2, 2, 3, 16}, torch::kFloat64).softmax(2);
  }

  // The definition, token by token.
  double Naive(double position_weight, const std::vector<int64_t>& tokens) {
    const torch::Tensor prototypes = in_.model->GroupingPrototypes(in_.scan.slots);
    double sum = 0;
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t t = 0; t < 2; ++t) {
        for (const int64_t n : tokens) {
          const double row = -1 + 2.0 / 3 * static_cast<double>(n / 4);
          const double column = -1 + 2.0 / 3 * static_cast<double>(n % 4);
          for (int64_t k = 0; k < 3; ++k) {
            const torch::Tensor u = prototypes[b][t][k];
            double distance =
                (in_.tokens[b][t][n] - u.slice(0, 0, 16)).square().sum().item<double>();
            if (position_weight > 0) {
              const double scale = position_weight * 4;  // sqrt(D)
              distance += std::pow(scale * row - u[16].item<double>(), 2) +
                          std::pow(scale * column - u[17].item<double>(), 2);
            }
            sum += in_.scan.attention[b][t][k][n].item<double>() * distance;
          }
        }
      }
    }
    return sum / static_cast<double>(4 * tokens.size()) / 16;
  }

  double Loss(double position_weight) {
    config::LossConfig config;
    config.set_position_weight(position_weight);
    return GroupingLoss(in_, config).item<double>();
  }

  torch::NoGradGuard no_grad_;
  LossInputs in_;
};

TEST_F(GroupingLossTest, IsTheExpectedDistanceToThePrototypes) {
  std::vector<int64_t> all(16);
  for (int64_t n = 0; n < 16; ++n) all[n] = n;
  EXPECT_NEAR(Loss(0.0), Naive(0.0, all), 1e-10);
  EXPECT_NEAR(Loss(0.5), Naive(0.5, all), 1e-10);
}

TEST_F(GroupingLossTest, LooksOnlyAtTheTokensOfThisStep) {
  in_.token_index = torch::tensor({14, 3, 7}, torch::kInt64);
  EXPECT_NEAR(Loss(0.5), Naive(0.5, {14, 3, 7}), 1e-10);
}

}  // namespace
}  // namespace slotmatch
