#include "trainer/optim/optimizer.h"

#include <torch/torch.h>

#include <cmath>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8, kClipEps = 1e-6;
constexpr char kStepsDone[] = "steps_done";

}  // namespace

double ScheduleFactor(const config::OptimConfig& config, int64_t max_steps, int64_t step) {
  const int64_t warmup = config.warmup_steps();
  if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  const int64_t decay_steps = config.decay_steps() > 0 ? config.decay_steps() : max_steps;
  const auto span = static_cast<double>(std::max<int64_t>(1, decay_steps - warmup));
  return std::pow(config.decay_rate(), static_cast<double>(step - warmup) / span);
}

Optimizer::Optimizer(std::vector<std::pair<std::string, torch::Tensor>> parameters,
                     const config::OptimConfig& config, int64_t max_steps)
    : parameters_(std::move(parameters)), config_(config), max_steps_(max_steps) {
  for (const auto& [name, parameter] : parameters_) {
    moments_.push_back({torch::zeros_like(parameter), torch::zeros_like(parameter)});
  }
}

double Optimizer::learning_rate() const {
  return config_.learning_rate() * ScheduleFactor(config_, max_steps_, steps_done_);
}

std::vector<torch::Tensor> Optimizer::Gradients() const {
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

void Optimizer::ClearGradients() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad() = torch::Tensor();
}

double Optimizer::Step() {
  torch::NoGradGuard no_grad;
  double sum = 0;
  for (auto& [name, parameter] : parameters_) {
    if (!parameter.grad().defined()) continue;
    const double norm = parameter.grad().norm().item<double>();
    sum += norm * norm;
  }
  const double norm = std::sqrt(sum);
  if (!std::isfinite(norm)) {
    ClearGradients();
    return norm;
  }
  const double scale = std::min(1.0, config_.clip_norm() / (norm + kClipEps));
  const double rate = learning_rate();
  ++steps_done_;
  const double correction1 = 1 - std::pow(kBeta1, static_cast<double>(steps_done_));
  const double correction2 = std::sqrt(1 - std::pow(kBeta2, static_cast<double>(steps_done_)));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    torch::Tensor& parameter = parameters_[i].second;
    if (!parameter.grad().defined()) continue;
    torch::Tensor grad = parameter.mutable_grad();
    if (scale < 1) grad.mul_(scale);
    Moments& m = moments_[i];
    m.exp_avg.mul_(kBeta1).add_(grad, 1 - kBeta1);
    m.exp_avg_sq.mul_(kBeta2).addcmul_(grad, grad, 1 - kBeta2);
    const torch::Tensor denominator = m.exp_avg_sq.sqrt().div_(correction2).add_(kEps);
    parameter.addcdiv_(m.exp_avg, denominator, -rate / correction1);
    parameter.mutable_grad() = torch::Tensor();
  }
  return norm;
}

std::map<std::string, torch::Tensor> Optimizer::State() const {
  std::map<std::string, torch::Tensor> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state[parameters_[i].first + ".exp_avg"] = moments_[i].exp_avg;
    state[parameters_[i].first + ".exp_avg_sq"] = moments_[i].exp_avg_sq;
  }
  state[kStepsDone] = torch::full({1}, steps_done_, torch::kInt64);
  return state;
}

absl::Status Optimizer::LoadState(const std::map<std::string, torch::Tensor>& state) {
  const std::map<std::string, torch::Tensor> own = State();
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) {
      return absl::DataLossError(
          absl::StrCat("optimiser state '", name, "' is missing or has another shape"));
    }
  }
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    moments_[i].exp_avg.copy_(state.at(parameters_[i].first + ".exp_avg"));
    moments_[i].exp_avg_sq.copy_(state.at(parameters_[i].first + ".exp_avg_sq"));
  }
  steps_done_ = state.at(kStepsDone).item<int64_t>();
  return absl::OkStatus();
}

}  // namespace slotmatch
