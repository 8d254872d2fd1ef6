// Optimiser steps from given parameters over given batches, with and without a teacher: terms,
// gradient norm and learning rate of each step in float32 and float64, and the trained parameters.
#include <torch/torch.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/model/model_io.h"
#include "tests/parity/loss_names.h"
#include "tests/parity/model_of.h"
#include "tests/parity/parity_table.h"
#include "trainer/optim/optimizer.h"
#include "trainer/step/train_step.h"

namespace slotmatch::parity {
namespace {

// Settings of Adam that the product has no field for.
void CheckAdam(const Fixture& fixture) {
  const nlohmann::json adam = fixture.Setting("adam");
  if (adam != nlohmann::json({{"betas", {0.9, 0.999}}, {"eps", 1e-8}, {"weight_decay", 0}})) {
    fixture.Fail("Adam with settings that the product does not have: " + adam.dump());
  }
}

config::TrainConfig TrainConfigOf(const Fixture& fixture, const VideoModel& model) {
  config::TrainConfig config;
  *config.mutable_model() = model->config();
  for (const config::LossConfig& loss : LossesOf(fixture)) *config.add_losses() = loss;
  config::OptimConfig* optim = config.mutable_optim();
  optim->set_learning_rate(fixture.Setting("lr").get<double>());
  optim->set_warmup_steps(fixture.Setting("warmup_steps").get<int64_t>());
  optim->set_decay_steps(fixture.Setting("decay_steps").get<int64_t>());
  optim->set_decay_rate(fixture.Setting("decay_rate").get<double>());
  optim->set_clip_norm(fixture.Setting("clip_norm").get<double>());
  return config;
}

std::vector<std::pair<std::string, torch::Tensor>> Trainable(const VideoModel& model) {
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  for (const auto& item : model->named_parameters()) {
    if (item.value().requires_grad()) parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

torch::Tensor Tokens(VideoModel model, const torch::Tensor& clips) {
  return model->Encode(clips.flatten(0, 1)).unflatten(0, {clips.size(0), clips.size(1)});
}

torch::Tensor Keys(VideoModel model, const torch::Tensor& clips) {
  torch::NoGradGuard no_grad;
  return model->backbone()
      ->Features(clips.flatten(0, 1))
      .keys.unflatten(0, {clips.size(0), clips.size(1)});
}

using Curves = std::map<std::string, std::vector<double>>;  // by the reference's names

Curves Train(const Fixture& fixture, VideoModel model, VideoModel teacher,
             const torch::Tensor& batches) {
  const config::TrainConfig config = TrainConfigOf(fixture, model);
  const auto steps = fixture.Setting("steps").get<int64_t>();
  if (batches.size(0) < steps) fixture.Fail("there are fewer batches than steps");
  Optimizer optimizer(Trainable(model), config.optim(), steps);
  auto step = TrainStep::Create(config, {model, teacher, LossHeads(nullptr), &optimizer});
  TORCH_CHECK(step.ok(), std::string(step.status().message()));
  const bool needs_keys = AnyLossNeeds(config, kNeedsKeys);
  Curves curves;
  for (int64_t i = 0; i < steps; ++i) {
    ClipBatch batch;
    batch.tokens = {Tokens(model, batches[i])};
    if (!teacher.is_empty()) batch.tokens.push_back(Tokens(teacher, batches[i]));
    if (needs_keys) batch.tokens.push_back(Keys(model, batches[i]));
    const auto report = step->Run(batch, i);
    TORCH_CHECK(report.ok(), std::string(report.status().message()));
    for (const auto& [name, value] : report->losses) {
      curves[LossReference(name)].push_back(value);
    }
    curves["loss"].push_back(report->total);
    curves["grad_norm"].push_back(report->grad_norm);
    curves["lr"].push_back(report->learning_rate);
  }
  return curves;
}

Quantity QuantityOf(const std::string& curve) {
  if (curve == "lr") return Quantity::kRate;
  return curve == "grad_norm" ? Quantity::kCurveNorm : Quantity::kCurveLoss;
}

struct Start {
  const Fixture& fixture;  // parameters and batches
  torch::ScalarType dtype;
};

void RunCurves(const Fixture& fixture, const Start& start, Report* report) {
  const torch::Tensor batches = start.fixture.Tensor("in.batches", start.dtype);
  VideoModel model = ModelOf(start.fixture, start.fixture.Under("param.", start.dtype),
                             SettingsOf(fixture, "vit_heads", batches), start.dtype);
  VideoModel teacher{nullptr};
  if (!fixture.Keys("teacher.").empty()) {
    teacher = ModelOf(fixture, fixture.Under("teacher.", start.dtype),
                      SettingsOf(fixture, "teacher_vit_heads", batches), start.dtype);
  }
  const bool wide = start.dtype == torch::kFloat64;
  const std::string prefix = wide ? "out64." : "out.";
  for (const auto& [name, values] : Train(fixture, model, teacher, batches)) {
    const std::string key = absl::StrCat(prefix, "step.", name);
    if (!fixture.Has(key)) continue;
    report->Compare(fixture, key, torch::tensor(values, torch::kFloat64),
                    wide ? Quantity::kCurve64 : QuantityOf(name));
  }
  for (const auto& [name, value] : NamedTensors(*model, {kBackbonePrefix})) {
    const std::string key = absl::StrCat(prefix, "final.", name);
    if (fixture.Has(key)) {
      report->Compare(fixture, key, value, wide ? Quantity::kForward64 : Quantity::kFinal);
    }
  }
}

}  // namespace

void RunTraining(const Fixture& fixture, const Places&, Report* report) {
  CheckAdam(fixture);
  const char kElsewhere[] = "student_init_and_batches";
  const Fixture start = fixture.HasSetting(kElsewhere)
                            ? Fixture(fixture.directory(), fixture.Text(kElsewhere))
                            : fixture;
  RunCurves(fixture, {start, torch::kFloat32}, report);
  if (!fixture.Keys("out64.").empty()) RunCurves(fixture, {start, torch::kFloat64}, report);
}

}  // namespace slotmatch::parity
