#include "trainer/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

config::OptimConfig Config(double rate = 0.01, int64_t warmup = 3, double clip = 0.05) {
  config::OptimConfig config;
  config.set_learning_rate(rate);
  config.set_warmup_steps(warmup);
  config.set_clip_norm(clip);
  return config;
}

TEST(ScheduleFactor, EqualsTheReference) {
  const config::OptimConfig config;  // 2500 warm-up steps, rate 0.5
  EXPECT_EQ(ScheduleFactor(config, 100000, 0), 0.0);
  EXPECT_DOUBLE_EQ(ScheduleFactor(config, 100000, 1), 0.0004);
  EXPECT_DOUBLE_EQ(ScheduleFactor(config, 100000, 1250), 0.5);
  EXPECT_DOUBLE_EQ(ScheduleFactor(config, 100000, 2499), 0.9996);
  EXPECT_DOUBLE_EQ(ScheduleFactor(config, 100000, 2500), 1.0);
  EXPECT_NEAR(ScheduleFactor(config, 100000, 50000), 0.71341849, 1e-8);
  EXPECT_DOUBLE_EQ(ScheduleFactor(config, 100000, 100000), 0.5);
  EXPECT_LT(ScheduleFactor(config, 100000, 150000), 0.5);  // goes on beyond the end
}

// COCO: 10k warm-up steps and decay over 100k continue to 0.023 at 500k.
TEST(ScheduleFactor, DecayStepsMayDifferFromTheLength) {
  config::OptimConfig config;
  config.set_warmup_steps(10000);
  config.set_decay_steps(100000);
  EXPECT_NEAR(ScheduleFactor(config, 500000, 500000), 0.023, 5e-4);
}

TEST(ScheduleFactor, DegenerateLengthsStayFinite) {
  config::OptimConfig config;
  config.set_warmup_steps(0);
  EXPECT_EQ(ScheduleFactor(config, 10, 0), 1.0);
  config.set_warmup_steps(10);
  EXPECT_TRUE(std::isfinite(ScheduleFactor(config, 10, 12)));
}

std::vector<torch::Tensor> Parameters() {
  torch::manual_seed(60);
  return {torch::randn({4, 3}, torch::kFloat64).set_requires_grad(true),
          torch::randn({5}, torch::kFloat64).set_requires_grad(true)};
}

Optimizer Make(const std::vector<torch::Tensor>& parameters, const config::OptimConfig& config) {
  return Optimizer({{"a", parameters[0]}, {"b", parameters[1]}}, config, 40);
}

void Backward(const std::vector<torch::Tensor>& p, int64_t step) {
  const auto s = static_cast<double>(step);
  ((p[0].square() * (1 + s)).sum() + (p[1] - s).pow(4).mean()).backward();
}

TEST(Optimizer, EqualsTorchAdamWithTheSameScheduleAndClipping) {
  const config::OptimConfig config = Config();
  const auto ours = Parameters(), theirs = Parameters();
  Optimizer optimizer = Make(ours, config);
  torch::optim::Adam adam(theirs, torch::optim::AdamOptions(1.0));
  for (int64_t step = 0; step < 30; ++step) {
    Backward(ours, step);
    adam.zero_grad();
    Backward(theirs, step);
    const double norm = torch::nn::utils::clip_grad_norm_(theirs, config.clip_norm());
    const double rate = config.learning_rate() * ScheduleFactor(config, 40, step);
    static_cast<torch::optim::AdamOptions&>(adam.param_groups()[0].options()).lr(rate);
    adam.step();
    EXPECT_DOUBLE_EQ(optimizer.learning_rate(), rate);
    EXPECT_NEAR(optimizer.Step(), norm, 1e-9 * norm);
    EXPECT_LT(MaxDifference(ours[0], theirs[0]), 1e-12) << "step " << step;
    EXPECT_LT(MaxDifference(ours[1], theirs[1]), 1e-12) << "step " << step;
  }
  EXPECT_EQ(optimizer.steps_done(), 30);
}

TEST(Optimizer, FirstUpdateHasRateZero) {
  const auto parameters = Parameters();
  const torch::Tensor before = parameters[0].detach().clone();
  Optimizer optimizer = Make(parameters, Config());
  Backward(parameters, 1);
  optimizer.Step();
  EXPECT_TRUE(torch::equal(parameters[0], before));
  Backward(parameters, 1);
  optimizer.Step();
  EXPECT_FALSE(torch::equal(parameters[0], before));
}

TEST(Optimizer, SmallGradientsAreNotScaled) {
  const auto with = Parameters(), without = Parameters();
  Optimizer clipped = Make(with, Config(0.01, 0, 1e9)), open = Make(without, Config(0.01, 0, 1e12));
  Backward(with, 0);
  Backward(without, 0);
  EXPECT_EQ(clipped.Step(), open.Step());
  EXPECT_TRUE(torch::equal(with[0], without[0]));
}

TEST(Optimizer, ParameterWithoutGradientStays) {
  const auto parameters = Parameters();
  const torch::Tensor before = parameters[1].detach().clone();
  Optimizer optimizer = Make(parameters, Config(0.01, 0));
  parameters[0].square().sum().backward();
  optimizer.Step();
  EXPECT_TRUE(torch::equal(parameters[1], before));
  EXPECT_FALSE(parameters[0].grad().defined());  // cleared for the next step
}

TEST(Optimizer, GradientThatIsNotFiniteChangesNothing) {
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    const auto parameters = Parameters();
    const torch::Tensor before = parameters[0].detach().clone();
    Optimizer optimizer = Make(parameters, Config(0.01, 0));
    (parameters[0].sum() * bad).backward();
    EXPECT_FALSE(std::isfinite(optimizer.Step()));
    EXPECT_TRUE(torch::equal(parameters[0], before));
    EXPECT_EQ(optimizer.steps_done(), 0);
    EXPECT_FALSE(parameters[0].grad().defined());
    EXPECT_EQ(optimizer.State().at("a.exp_avg").abs().max().item<double>(), 0.0);
  }
}

TEST(Optimizer, GoesOnBitIdenticallyFromItsState) {
  const auto whole = Parameters();
  Optimizer first = Make(whole, Config());
  for (int64_t step = 0; step < 5; ++step) {
    Backward(whole, step);
    first.Step();
  }
  std::map<std::string, torch::Tensor> state;
  for (const auto& [name, tensor] : first.State()) state[name] = tensor.clone();
  std::vector<torch::Tensor> copy;
  for (const torch::Tensor& p : whole) copy.push_back(p.detach().clone().set_requires_grad(true));
  Optimizer second = Make(copy, Config());
  ASSERT_TRUE(second.LoadState(state).ok());
  EXPECT_EQ(second.steps_done(), 5);
  for (int64_t step = 5; step < 9; ++step) {
    Backward(whole, step);
    Backward(copy, step);
    EXPECT_EQ(first.Step(), second.Step());
  }
  EXPECT_TRUE(torch::equal(whole[0], copy[0]));
  EXPECT_TRUE(torch::equal(whole[1], copy[1]));
}

TEST(Optimizer, LoadStateNamesWhatIsMissingAndChangesNothing) {
  Optimizer optimizer = Make(Parameters(), Config());
  auto state = optimizer.State();
  state["a.exp_avg"] = torch::ones({4, 3}, torch::kFloat64);
  state["b.exp_avg_sq"] = torch::ones({6}, torch::kFloat64);
  const absl::Status status = optimizer.LoadState(state);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("'b.exp_avg_sq'"));
  EXPECT_EQ(optimizer.State().at("a.exp_avg").abs().max().item<double>(), 0.0);
  state.erase("steps_done");
  EXPECT_FALSE(optimizer.LoadState(state).ok());
}

}  // namespace
}  // namespace slotmatch
