#include "trainer/step/train_step.h"

#include <torch/torch.h>

#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "trainer/data/random.h"

namespace slotmatch {
namespace {

// Keep these draws apart from the sampler's and from each other.
constexpr uint64_t kTokenStream = 0x746f6b656e73ull;
constexpr uint64_t kNoiseStream = 0x6e6f697365ull;

}  // namespace

absl::StatusOr<TrainStep> TrainStep::Create(const config::TrainConfig& config, VideoModel model,
                                            VideoModel teacher, Optimizer* optimizer) {
  TrainStep step;
  step.config_ = config;
  step.model_ = model;
  step.teacher_ = teacher;
  step.optimizer_ = optimizer;
  const std::vector<std::string> problems = LossProblems(config, !teacher.is_empty());
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "; "));
  for (const config::LossConfig& loss : config.losses()) {
    SM_ASSIGN_OR_RETURN(const LossRow* row, FindLoss(loss.name()));
    step.rows_.push_back(row);
  }
  step.needs_decoder_ = AnyLossNeeds(config, kNeedsDecoder);
  step.needs_keys_ = AnyLossNeeds(config, kNeedsKeys);
  return step;
}

torch::Tensor TrainStep::TokenSubset(int64_t step) const {
  const int64_t all = model_->grid_height() * model_->grid_width();
  const int64_t wanted = config_.loop().decoder_tokens();
  if (wanted <= 0 || wanted >= all) return {};
  Random random(static_cast<uint64_t>(config_.loop().seed()) ^ kTokenStream,
                static_cast<uint64_t>(step));
  std::vector<int64_t> order(all);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = 0; i < wanted; ++i) {
    std::swap(order[i], order[i + random.Below(all - i)]);
  }
  order.resize(wanted);
  return torch::tensor(order, torch::kInt64);
}

// One seed for student and teacher: distillation pairs their slots index to index, which has a
// meaning only when both start from the same noise.
uint64_t TrainStep::NoiseSeed(int64_t step) const {
  return Random(static_cast<uint64_t>(config_.loop().seed()) ^ kNoiseStream,
                static_cast<uint64_t>(step))
      .Next();
}

LossInputs TrainStep::Forward(const ClipBatch& batch, int64_t step) {
  LossInputs in;
  in.model = model_;
  const int64_t clips = batch.tokens.front().size(0);
  const uint64_t seed = NoiseSeed(step);
  {
    torch::NoGradGuard no_grad;
    in.tokens = model_->NormalizeTokens(batch.tokens.front());
    // Views: the student's tokens, the teacher's when they are others, the keys when needed.
    const size_t token_views = batch.tokens.size() - (needs_keys_ ? 1 : 0);
    TORCH_CHECK(token_views >= 1, "the batch has no view of keys");
    if (needs_keys_) in.keys = batch.tokens.back();
    if (!teacher_.is_empty()) {
      const torch::Tensor tokens = teacher_->NormalizeTokens(batch.tokens[token_views - 1]);
      in.teacher_slots = teacher_
                             ->Scan(teacher_->Transform(tokens),
                                    teacher_->InitialState(clips, teacher_->DrawNoise(clips, seed)))
                             .slots;
    }
  }
  in.token_index = TokenSubset(step);
  in.scan = model_->Scan(model_->Transform(in.tokens),
                         model_->InitialState(clips, model_->DrawNoise(clips, seed)));
  if (needs_decoder_) in.decoded = model_->Decode(in.scan.slots, in.token_index);
  return in;
}

absl::StatusOr<StepReport> TrainStep::Run(const ClipBatch& batch, int64_t step) {
  const LossInputs in = Forward(batch, step);
  StepReport report;
  torch::Tensor total;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const config::LossConfig& loss = config_.losses(static_cast<int>(i));
    if (loss.weight() == 0) continue;
    const torch::Tensor value = rows_[i]->function(in, loss);
    report.losses.emplace_back(loss.name(), value.item<double>());
    if (!std::isfinite(report.losses.back().second)) {
      return absl::DataLossError(absl::StrCat("loss '", loss.name(), "' is ",
                                              report.losses.back().second, " at step ", step,
                                              "; a lower optim.learning_rate usually helps"));
    }
    total = total.defined() ? total + loss.weight() * value : loss.weight() * value;
  }
  total.backward();
  report.total = total.item<double>();
  report.learning_rate = optimizer_->learning_rate();
  report.grad_norm = optimizer_->Step();
  if (!std::isfinite(report.grad_norm)) {
    return absl::DataLossError(absl::StrCat("the gradient is not finite at step ", step,
                                            "; a lower optim.learning_rate usually helps"));
  }
  return report;
}

}  // namespace slotmatch
