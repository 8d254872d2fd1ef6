#include "trainer/step/train_step.h"

#include <torch/torch.h>

#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/model/device.h"
#include "trainer/data/random.h"
#include "trainer/step/autocast.h"
#include "trainer/step/teacher_slots.h"

namespace slotmatch {
namespace {

// Keep these draws apart from the sampler's and from each other.
constexpr uint64_t kTokenStream = 0x746f6b656e73ull;
constexpr uint64_t kNoiseStream = 0x6e6f697365ull;

// Clips [first, first + count).
ClipBatch SomeOf(const ClipBatch& batch, int64_t first, int64_t count) {
  ClipBatch some;
  for (const torch::Tensor& view : batch.tokens) {
    some.tokens.push_back(view.defined() ? view.narrow(0, first, count) : view);
  }
  for (int64_t b = first; b < first + count && !batch.clips.empty(); ++b) {
    some.clips.push_back(batch.clips[b]);
  }
  return some;
}

}  // namespace

absl::StatusOr<TrainStep> TrainStep::Create(const config::TrainConfig& config,
                                            const StepParts& parts) {
  TrainStep step;
  step.config_ = config;
  step.parts_ = parts;
  if (parts.processes == nullptr) {
    step.alone_ = std::make_unique<ProcessGroup>();
    step.parts_.processes = step.alone_.get();
  }
  const std::vector<std::string> problems = LossProblems(config, !parts.teacher.is_empty());
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "; "));
  for (const config::LossConfig& loss : config.losses()) {
    if (loss.weight() == 0) continue;
    SM_ASSIGN_OR_RETURN(const LossRow* row, FindLoss(loss.name()));
    step.losses_.emplace_back(loss, row->function);
    step.gathers_ = step.gathers_ || loss.gather_negatives();
  }
  return step;
}

torch::Tensor TrainStep::TokenSubset(int64_t step) const {
  const int64_t all = parts_.model->grid_height() * parts_.model->grid_width();
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
  return torch::tensor(order, torch::kInt64).to(DeviceOf(*parts_.model));
}

// One seed for student and teacher: distillation pairs their slots index to index, which has a
// meaning only when both start from the same noise.
torch::Tensor TrainStep::Noise(const VideoModel& model, int64_t clips, int64_t step) const {
  if (model.is_empty()) return {};
  const uint64_t seed = Random(static_cast<uint64_t>(config_.loop().seed()) ^ kNoiseStream,
                               static_cast<uint64_t>(step))
                            .Next();
  return model->DrawNoise(clips, seed);
}

TrainStep::StepNoise TrainStep::StepNoise::Of(int64_t first, int64_t count) const {
  const auto some = [&](const torch::Tensor& all) {
    return all.defined() ? all.narrow(0, first, count) : all;
  };
  return {some(model), some(teacher)};
}

void TrainStep::AddTeacher(const ClipBatch& part, const torch::Tensor& noise, LossInputs* in) {
  VideoModel teacher = parts_.teacher;
  if (teacher.is_empty()) return;
  torch::NoGradGuard no_grad;
  in->teacher_slots = KnownSlots(part);
  const bool needs_features = AnyLossNeeds(config_, kNeedsTeacherFeatures);
  if (!in->teacher_slots.defined() || needs_features) {
    const torch::Tensor& tokens = part.tokens[TeacherView(config_, part.tokens.size())];
    const torch::Tensor features = Float32(teacher->Transform(teacher->NormalizeTokens(tokens)));
    if (needs_features) in->teacher_features = features;
    if (!in->teacher_slots.defined()) {
      in->teacher_slots =
          Float32(teacher->Scan(features, teacher->InitialState(features.size(0), noise)).slots);
    }
  }
  if (AnyLossNeeds(config_, kNeedsTeacherReconstruction)) {
    in->teacher_reconstruction =
        Float32(teacher->Decode(in->teacher_slots, in->token_index).reconstruction);
  }
}

LossInputs TrainStep::Forward(const ClipBatch& part, const StepNoise& noise, int64_t step) {
  const Autocast autocast(config_.loop().precision(), part.tokens.front().device());
  VideoModel model = parts_.model;
  LossInputs in;
  in.model = model;
  if (AnyLossNeeds(config_, kNeedsKeys)) {
    TORCH_CHECK(part.tokens.size() >= 2, "the batch has no view of keys");
    in.keys = part.tokens.back();
  }
  {
    torch::NoGradGuard no_grad;
    in.tokens = model->NormalizeTokens(part.tokens.front());
  }
  in.token_index = TokenSubset(step);
  AddTeacher(part, noise.teacher, &in);
  in.features = Float32(model->Transform(in.tokens));
  in.scan = model->Scan(in.features, model->InitialState(in.features.size(0), noise.model));
  in.scan.slots = Float32(in.scan.slots);
  in.scan.attention = Float32(in.scan.attention);
  if (AnyLossNeeds(config_, kNeedsDecoder)) {
    in.decoded = model->Decode(in.scan.slots, in.token_index);
    in.decoded.masks = Float32(in.decoded.masks);
    in.decoded.reconstruction = Float32(in.decoded.reconstruction);
    in.decoded.similarity = Float32(in.decoded.similarity);
  }
  if (AnyLossNeeds(config_, kNeedsTeacherReconstruction)) {
    in.projected_reconstruction =
        parts_.heads.is_empty()
            ? in.decoded.reconstruction
            : Float32(parts_.heads->ProjectReconstruction(in.decoded.reconstruction));
  }
  return in;
}

std::pair<torch::Tensor, torch::Tensor> TrainStep::Losses(const LossInputs& in) const {
  torch::Tensor total;
  const torch::Tensor values =
      torch::zeros({static_cast<int64_t>(losses_.size())}, torch::kFloat64);
  for (size_t i = 0; i < losses_.size(); ++i) {
    const auto& [config, function] = losses_[i];
    const torch::Tensor value = function(in, config);
    values[static_cast<int64_t>(i)] = value.item<double>();
    total = total.defined() ? total + config.weight() * value : config.weight() * value;
  }
  return {values, total};
}

StepReport TrainStep::Evaluate(const ClipBatch& batch, int64_t step) {
  const torch::NoGradGuard no_grad;
  const int64_t clips = batch.tokens.front().size(0);
  const StepNoise noise = {Noise(parts_.model, clips, step), Noise(parts_.teacher, clips, step)};
  return ReportOf(Losses(Forward(batch, noise, step)).first);
}

absl::StatusOr<StepReport> TrainStep::Run(const ClipBatch& batch, int64_t step) {
  ProcessGroup& processes = *parts_.processes;
  const int64_t parts = config_.loop().accumulate(), clips = batch.tokens.front().size(0);
  TORCH_CHECK(clips % parts == 0, clips, " clips in ", parts, " parts");
  const StepNoise noise = {Noise(parts_.model, clips * processes.size(), step),
                           Noise(parts_.teacher, clips * processes.size(), step)};
  torch::Tensor values = torch::zeros({static_cast<int64_t>(losses_.size())}, torch::kFloat64);
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t count = clips / parts, first = part * count;
    LossInputs in = Forward(SomeOf(batch, first, count),
                            noise.Of(processes.rank() * clips + first, count), step);
    if (gathers_ && processes.size() > 1) {
      in.all_slots = processes.Gather(in.scan.slots);
      in.first_clip = processes.rank() * count;
    }
    const auto [part_values, total] = Losses(in);
    (total / static_cast<double>(parts)).backward();
    values += part_values;
  }
  processes.Sum(values);
  return Update(values / static_cast<double>(parts * processes.size()), step);
}

StepReport TrainStep::ReportOf(const torch::Tensor& values) const {
  StepReport report;
  for (size_t i = 0; i < losses_.size(); ++i) {
    const config::LossConfig& loss = losses_[i].first;
    const double value = values[static_cast<int64_t>(i)].item<double>();
    report.losses.emplace_back(loss.name(), value);
    report.total += loss.weight() * value;
  }
  return report;
}

absl::StatusOr<StepReport> TrainStep::Update(const torch::Tensor& values, int64_t step) {
  StepReport report = ReportOf(values);
  for (const auto& [name, value] : report.losses) {
    if (std::isfinite(value)) continue;
    parts_.optimizer->ClearGradients();
    return absl::DataLossError(absl::StrCat("loss '", name, "' is ", value, " at step ", step,
                                            "; a lower optim.learning_rate usually helps"));
  }
  report.learning_rate = parts_.optimizer->learning_rate();
  parts_.processes->Mean(parts_.optimizer->Gradients());
  report.grad_norm = parts_.optimizer->Step();
  if (!std::isfinite(report.grad_norm)) {
    return absl::DataLossError(absl::StrCat("the gradient is not finite at step ", step,
                                            "; a lower optim.learning_rate usually helps"));
  }
  return report;
}

}  // namespace slotmatch
