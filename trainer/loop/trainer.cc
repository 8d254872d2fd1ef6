#include "trainer/loop/trainer.h"

#include <signal.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/base/bounded_queue.h"
#include "core/base/cpu.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/config/config.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/loop/init_from.h"
#include "trainer/loop/loss_log.h"
#include "trainer/loop/metrics_file.h"
#include "trainer/loop/model_writer.h"
#include "trainer/loop/train_data.h"
#include "trainer/loss/loss.h"
#include "trainer/step/train_step.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// Draws batches ahead in a thread of its own.
class BatchAhead {
 public:
  BatchAhead(const ClipSampler& sampler, int64_t first, int64_t end)
      : queue_(2), thread_([this, &sampler, first, end] {
          for (int64_t step = first; step < end; ++step) {
            if (!queue_.Push(sampler.Batch(step))) return;
          }
          queue_.Close();
        }) {}
  ~BatchAhead() {
    queue_.Close();
    thread_.join();
  }
  std::optional<ClipBatch> Next() { return queue_.Pop(); }

 private:
  BoundedQueue<ClipBatch> queue_;
  std::thread thread_;
};

// One training from its config to its model.
class Run {
 public:
  Run(const config::TrainConfig& config, const TrainOptions& options)
      : config_(config), options_(options) {}

  absl::Status Prepare();
  absl::Status Loop();
  absl::Status WriteResult();

 private:
  absl::Status LoadTeacher(const ModelFiles& student_backbone, std::vector<Backbone>* encoders);
  absl::Status Initialise();
  absl::Status Resume();
  absl::Status Save();
  absl::Status AfterStep(const StepReport& report, double data_wait, Progress* progress);
  int Signal() const { return options_.stop == nullptr ? 0 : options_.stop->load(); }
  absl::Status StopAsked() const;
  absl::Status Stopped(const std::string& text) const;
  std::string CheckpointFolder() const { return (fs::path(options_.out) / "checkpoints").string(); }

  config::TrainConfig config_;
  TrainOptions options_;
  PartCache parts_;
  std::unique_ptr<TrainData> data_;
  VideoModel model_{nullptr}, teacher_{nullptr};
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::ofstream log_;
  absl::Time started_;
  int64_t first_step_ = 0;
};

bool SameInput(const config::ModelConfig& a, const config::ModelConfig& b) {
  return a.encoder().SerializeAsString() == b.encoder().SerializeAsString();
}

absl::Status Run::LoadTeacher(const ModelFiles& student_backbone, std::vector<Backbone>* encoders) {
  if (config_.teacher().path().empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const ModelFiles files,
                      OpenModelDirectory(config_.teacher().path(), &parts_));
  SM_ASSIGN_OR_RETURN(teacher_, LoadVideoModel(files, WithEncoder::kNo));
  for (torch::Tensor& weight : teacher_->parameters()) weight.set_requires_grad(false);
  const config::ModelConfig& theirs = teacher_->config();
  if (theirs.num_slots() != config_.model().num_slots() ||
      theirs.slot_dim() != config_.model().slot_dim()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "teacher has ", theirs.num_slots(), " slots of ", theirs.slot_dim(), ", the student ",
        config_.model().num_slots(), " of ", config_.model().slot_dim(),
        ": slot distillation pairs them index to index, so both must agree"));
  }
  SM_ASSIGN_OR_RETURN(Backbone backbone,
                      LoadBackbone(files, theirs, files.manifest.preprocessing()));
  const bool same = SameInput(theirs, config_.model()) &&
                    backbone.extractor.digest == encoders->front().extractor.digest;
  if (!same) encoders->push_back(std::move(backbone));
  return absl::OkStatus();
}

absl::Status Run::Initialise() {
  if (config_.init_from().empty()) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const InitReport report, InitFrom(config_.init_from(), &parts_, &model_));
  SM_INFO("initialised from={} copied={} resampled=\"{}\" not_copied=\"{}\"", config_.init_from(),
          report.copied, absl::StrJoin(report.resampled, " "), absl::StrJoin(report.missing, " "));
  return absl::OkStatus();
}

absl::Status Run::Prepare() {
  at::set_num_threads(config_.loop().threads() > 0 ? config_.loop().threads() : UsableCpus());
  SM_ASSIGN_OR_RETURN(const ModelFiles backbone, OpenModelDirectory(config_.backbone(), &parts_));
  std::vector<Backbone> encoders(1);
  SM_ASSIGN_OR_RETURN(encoders[0],
                      LoadBackbone(backbone, config_.model(), config_.data().preprocessing()));
  SM_RETURN_IF_ERROR(LoadTeacher(backbone, &encoders));
  if (AnyLossNeeds(config_, kNeedsKeys)) encoders.push_back(KeysOf(encoders[0]));
  for (Backbone& encoder : encoders) encoder.extractor.stop = [this] { return Signal() != 0; };
  absl::StatusOr<std::unique_ptr<TrainData>> data = TrainData::Open(config_, encoders);
  if (absl::IsCancelled(data.status())) return Stopped(std::string(data.status().message()));
  SM_ASSIGN_OR_RETURN(data_, std::move(data));
  SM_INFO("data {}", data_->Description());

  torch::manual_seed(static_cast<uint64_t>(config_.loop().seed()));
  model_ = VideoModel(config_.model(), WithEncoder::kNo);
  SM_RETURN_IF_ERROR(Initialise());
  if (config_.model().target_normalization() != config::NONE) {
    const auto [mean, std] = data_->TokenStatistics(0);
    model_->SetTokenStatistics(mean, std);
  }
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  for (const auto& item : model_->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  optimizer_ = std::make_unique<Optimizer>(std::move(parameters), config_.optim(),
                                           config_.loop().max_steps());
  SM_ASSIGN_OR_RETURN(TrainStep step,
                      TrainStep::Create(config_, model_, teacher_, optimizer_.get()));
  step_ = std::make_unique<TrainStep>(std::move(step));
  if (options_.resume) SM_RETURN_IF_ERROR(Resume());
  SM_RETURN_IF_ERROR(WriteFileAtomically(
      (fs::path(options_.out) / "train_config.textproto").string(), ConfigText(config_)));
  SM_ASSIGN_OR_RETURN(log_,
                      OpenLossLog((fs::path(options_.out) / "losses.jsonl").string(), first_step_));
  return absl::OkStatus();
}

absl::Status Run::Resume() {
  absl::StatusOr<Checkpoint> checkpoint = LoadNewestCheckpoint(CheckpointFolder());
  if (absl::IsNotFound(checkpoint.status())) {
    SM_INFO("nothing to resume in {}; starting afresh", CheckpointFolder());
    return absl::OkStatus();
  }
  SM_RETURN_IF_ERROR(checkpoint.status());
  torch::NoGradGuard no_grad;
  for (auto [key, tensor] : NamedTensors(*model_, {})) {
    const auto found = checkpoint->model.find(key);
    if (found == checkpoint->model.end() || found->second.sizes() != tensor.sizes()) {
      return absl::FailedPreconditionError(absl::StrCat("checkpoint of step ", checkpoint->step,
                                                        " has no fitting '", key,
                                                        "': it belongs to another model config"));
    }
    tensor.copy_(found->second);
  }
  SM_RETURN_IF_ERROR(optimizer_->LoadState(checkpoint->optimizer));
  first_step_ = checkpoint->step;
  SM_INFO("resumed step={}", first_step_);
  return absl::OkStatus();
}

absl::Status Run::Save() {
  return SaveCheckpoint(CheckpointFolder(),
                        {optimizer_->steps_done(), NamedTensors(*model_, {}), optimizer_->State()},
                        config_.loop().keep_checkpoints());
}

absl::Status Run::Stopped(const std::string& text) const {
  return Signal() == SIGINT ? absl::CancelledError(text) : absl::ResourceExhaustedError(text);
}

absl::Status Run::StopAsked() const {
  if (Signal() == 0) return absl::OkStatus();
  return Stopped(
      absl::StrCat("stopped at step ", optimizer_->steps_done(), ", saved; --resume goes on"));
}

absl::Status Run::AfterStep(const StepReport& report, double data_wait, Progress* progress) {
  const int64_t done = optimizer_->steps_done();
  std::string note;
  nlohmann::json line = {{"step", done},
                         {"loss", report.total},
                         {"grad_norm", report.grad_norm},
                         {"learning_rate", report.learning_rate},
                         {"data_wait_share", data_wait}};
  for (const auto& [name, value] : report.losses) {
    absl::StrAppendFormat(&note, "%s %.4f  ", name, value);
    line[name] = value;
  }
  absl::StrAppendFormat(&note, "grad %.2f  lr %.1e", report.grad_norm, report.learning_rate);
  progress->Update(done, note);
  if (done % config_.loop().log_every() == 0 || done == config_.loop().max_steps()) {
    const double steps_per_s =
        static_cast<double>(done - first_step_) / absl::ToDoubleSeconds(absl::Now() - started_);
    line["steps_per_s"] = steps_per_s;
    log_ << line.dump() << std::endl;
    SM_RETURN_IF_ERROR(WriteFileAtomically(
        (fs::path(options_.out) / "metrics.prom").string(),
        TrainMetricsText(
            {config_.name(), done, config_.loop().max_steps(), steps_per_s, data_wait, absl::Now()},
            report)));
  }
  if (done % config_.loop().checkpoint_every() == 0) SM_RETURN_IF_ERROR(Save());
  return absl::OkStatus();
}

absl::Status Run::Loop() {
  const config::LoopConfig& loop = config_.loop();
  started_ = absl::Now();
  const absl::Time end = loop.max_minutes() > 0 ? started_ + absl::Minutes(loop.max_minutes())
                                                : absl::InfiniteFuture();
  BatchAhead batches(data_->sampler(), first_step_, loop.max_steps());
  Progress progress("train", "steps", loop.max_steps(), options_.progress);
  absl::Duration waited;
  for (int64_t step = first_step_; step < loop.max_steps() && absl::Now() < end; ++step) {
    if (const absl::Status stop = StopAsked(); !stop.ok()) {
      SM_RETURN_IF_ERROR(Save());
      return stop;
    }
    const absl::Time before = absl::Now();
    const std::optional<ClipBatch> batch = batches.Next();
    waited += absl::Now() - before;
    SM_ASSIGN_OR_RETURN(const StepReport report, step_->Run(*batch, step));
    SM_RETURN_IF_ERROR(
        AfterStep(report, absl::FDivDuration(waited, absl::Now() - started_), &progress));
  }
  return Save();
}

absl::Status Run::WriteResult() {
  ModelToWrite model;
  model.directory = (fs::path(options_.out) / "models" / config_.name() / "1").string();
  model.config = config_;
  model.provenance.set_data(data_->Description());
  model.provenance.set_recipe(options_.recipe);
  model.provenance.set_seed(config_.loop().seed());
  model.provenance.set_steps(optimizer_->steps_done());
  model.provenance.set_commit(Commit());
  model.tensors = NamedTensors(*model_, {});
  SM_RETURN_IF_ERROR(WriteModel(model));
  SM_INFO("model written directory={}", model.directory);
  return absl::OkStatus();
}

void CheckPaths(const config::TrainConfig& config, std::vector<std::string>* problems) {
  const auto require = [problems](const std::string& what, const std::string& path) {
    if (!fs::exists(path)) problems->push_back(absl::StrCat(what, " '", path, "' does not exist"));
  };
  require("backbone", config.backbone());
  if (!config.teacher().path().empty()) require("teacher.path", config.teacher().path());
  if (!config.init_from().empty()) require("init_from", config.init_from());
  for (const config::DatasetConfig& dataset : config.data().datasets()) {
    require("data.datasets.path", dataset.path());
  }
}

void CheckCrop(const config::DataConfig& data, std::vector<std::string>* problems) {
  const config::RandomCrop& crop = data.crop();
  if (data.crop_variants() < 1) problems->push_back("data.crop_variants is below 1");
  const bool area = crop.min_area() > 0 && crop.min_area() <= crop.max_area();
  const bool aspect = crop.min_aspect() > 0 && crop.min_aspect() <= crop.max_aspect();
  if (!area || crop.max_area() > 1 || !aspect) {
    problems->push_back("data.crop: areas need 0 < min <= max <= 1, aspects 0 < min <= max");
  }
}

}  // namespace

absl::Status ValidateTrainConfig(const config::TrainConfig& config) {
  std::vector<std::string> problems;
  if (config.name().empty()) problems.push_back("name is not set");
  if (config.role() != "teacher" && config.role() != "student") {
    problems.push_back("role '" + config.role() + "' is neither teacher nor student");
  }
  const absl::Status model = ValidateModelConfig(config.model());
  if (!model.ok()) problems.push_back("model: " + std::string(model.message()));
  if (config.data().datasets().empty()) problems.push_back("data.datasets: none is configured");
  if (config.data().clip_frames() < 1) problems.push_back("data.clip_frames is below 1");
  if (config.data().batch_clips() < 1) problems.push_back("data.batch_clips is below 1");
  CheckCrop(config.data(), &problems);
  if (config.loop().max_steps() < 1) problems.push_back("loop.max_steps is below 1");
  if (config.loop().log_every() < 1 || config.loop().checkpoint_every() < 1) {
    problems.push_back("loop.log_every and loop.checkpoint_every must be at least 1");
  }
  if (config.loop().device() != "cpu" && config.loop().device() != "auto") {
    problems.push_back("loop.device is '" + config.loop().device() +
                       "'; this build has cpu and auto");
  }
  if (config.optim().learning_rate() <= 0) problems.push_back("optim.learning_rate is not above 0");
  for (std::string& problem : LossProblems(config, !config.teacher().path().empty())) {
    problems.push_back(std::move(problem));
  }
  CheckPaths(config, &problems);
  return problems.empty() ? absl::OkStatus()
                          : absl::FailedPreconditionError(absl::StrJoin(problems, "; "));
}

absl::Status Train(const config::TrainConfig& config, const TrainOptions& options) {
  SM_RETURN_IF_ERROR(ValidateTrainConfig(config));
  try {
    Run run(config, options);
    SM_RETURN_IF_ERROR(run.Prepare());
    SM_RETURN_IF_ERROR(run.Loop());
    return run.WriteResult();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory; lower data.batch_clips");
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  }
}

}  // namespace slotmatch
