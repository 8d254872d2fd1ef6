#include "trainer/loop/trainer.h"

#include <signal.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/cpu.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/config/config.h"
#include "core/model/device.h"
#include "core/model/model_io.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/dist/process_group.h"
#include "trainer/loop/batch_ahead.h"
#include "trainer/loop/model_writer.h"
#include "trainer/loop/run_log.h"
#include "trainer/loop/train_models.h"
#include "trainer/loop/train_state.h"
#include "trainer/loop/validate_config.h"
#include "trainer/step/teacher_slots.h"
#include "trainer/step/train_step.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// One training from its config to its model.
class Run {
 public:
  Run(const config::TrainConfig& config, const TrainOptions& options)
      : config_(config), options_(options) {}

  absl::Status Prepare();
  absl::Status Loop();
  absl::Status WriteResult();

 private:
  // What the processes have agreed to do.
  enum class Next { kStep, kSaveAndStop, kTimeIsOver };

  absl::Status OpenData();
  std::optional<SlotKind> SlotsToKeep() const;
  absl::Status MakeStep();
  absl::Status Resume();
  absl::Status Save(bool validate);
  absl::StatusOr<std::optional<double>> Validate();
  absl::Status AfterStep(const StepReport& report, absl::Duration data_wait);
  Next Agree(absl::Time end);
  absl::Status Stopped(const std::string& text) const;
  int Signal() const { return options_.stop == nullptr ? 0 : options_.stop->load(); }
  std::string CheckpointFolder() const { return (fs::path(options_.out) / "checkpoints").string(); }

  config::TrainConfig config_;
  TrainOptions options_;
  torch::Device device_{torch::kCPU};
  std::unique_ptr<ProcessGroup> processes_;
  PartCache parts_;
  TrainModels models_;
  std::unique_ptr<TrainData> data_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<TeacherSlots> teacher_slots_;  // null: the step computes them, or none
  std::unique_ptr<RunLog> log_;
  int64_t saved_step_ = -1;  // of the newest checkpoint that this run knows
  bool interrupted_ = false;
};

absl::Status Run::Prepare() {
  const config::LoopConfig& loop = config_.loop();
  at::set_num_threads(loop.threads() > 0 ? loop.threads()
                                         : std::max(1, UsableCpus() / options_.place.local_size));
  SM_ASSIGN_OR_RETURN(processes_,
                      ProcessGroup::Join(options_.place, absl::Seconds(loop.process_timeout_s())));
  SM_ASSIGN_OR_RETURN(device_, FindDevice(loop.device(), options_.place.local_rank));
  SM_ASSIGN_OR_RETURN(models_, LoadFrozenModels(config_, &parts_));
  models_.MoveTo(device_);
  SM_RETURN_IF_ERROR(OpenData());
  SM_RETURN_IF_ERROR(MakeTrainedModels(config_, &parts_, &models_));
  models_.MoveTo(device_);
  if (config_.model().target_normalization() != config::NONE) {
    const auto [mean, std] = data_->TokenStatistics(0);
    models_.model->SetTokenStatistics(mean, std);
  }
  SM_RETURN_IF_ERROR(MakeStep());
  if (options_.resume && processes_->first()) SM_RETURN_IF_ERROR(Resume());
  SM_RETURN_IF_ERROR(ShareState(processes_.get(), &models_, optimizer_.get()));
  if (processes_->first()) {
    SM_RETURN_IF_ERROR(WriteFileAtomically(
        (fs::path(options_.out) / "train_config.textproto").string(), ConfigText(config_)));
  }
  SM_ASSIGN_OR_RETURN(RunLog log, RunLog::Open(options_.out, config_, optimizer_->steps_done(),
                                               processes_->first(), options_.progress));
  log_ = std::make_unique<RunLog>(std::move(log));
  return absl::OkStatus();
}

absl::Status Run::OpenData() {
  for (Backbone& encoder : models_.encoders) {
    encoder.extractor.stop = [this] { return Signal() != 0; };
    encoder.extractor.share = processes_->rank();
    encoder.extractor.shares = processes_->size();
  }
  const std::optional<SlotKind> slots = SlotsToKeep();
  absl::StatusOr<std::unique_ptr<TrainData>> data =
      TrainData::Open(config_, models_.encoders, slots ? &*slots : nullptr);
  if (absl::IsCancelled(data.status())) {
    interrupted_ = Signal() == SIGINT;
    return Stopped(std::string(data.status().message()));
  }
  SM_ASSIGN_OR_RETURN(data_, std::move(data));
  SM_INFO("data {}", data_->Description());
  if (!models_.teacher.is_empty() && SlotsFollowFromClip(models_.teacher)) {
    teacher_slots_ = std::make_unique<TeacherSlots>(config_, models_.teacher, data_->slot_stores());
  }
  return absl::OkStatus();
}

// None where they cannot be kept or shall not be.
std::optional<SlotKind> Run::SlotsToKeep() const {
  if (models_.teacher.is_empty()) return std::nullopt;
  const bool possible = SlotsFollowFromClip(models_.teacher);
  if (!possible || !config_.data().cache_teacher_slots()) {
    SM_INFO("the teacher's slots are computed at every step reason=\"{}\"",
            possible ? "data.cache_teacher_slots is off" : "they start from noise");
    return std::nullopt;
  }
  const config::ModelConfig& theirs = models_.teacher->config();
  return SlotKind{absl::StrCat(models_.teacher_digest, "|",
                               config::LoopConfig::Precision_Name(config_.loop().precision())),
                  config_.data().clip_frames(), theirs.num_slots(), theirs.slot_dim()};
}

absl::Status Run::MakeStep() {
  optimizer_ = std::make_unique<Optimizer>(models_.Parameters(), config_.optim(),
                                           config_.loop().max_steps());
  SM_ASSIGN_OR_RETURN(TrainStep step,
                      TrainStep::Create(config_, {models_.model, models_.teacher, models_.heads,
                                                  optimizer_.get(), processes_.get()}));
  step_ = std::make_unique<TrainStep>(std::move(step));
  return absl::OkStatus();
}

absl::Status Run::Resume() {
  const absl::StatusOr<Checkpoint> checkpoint = LoadNewestCheckpoint(CheckpointFolder());
  if (absl::IsNotFound(checkpoint.status())) {
    SM_INFO("nothing to resume in {}; starting afresh", CheckpointFolder());
    return absl::OkStatus();
  }
  SM_RETURN_IF_ERROR(checkpoint.status());
  SM_RETURN_IF_ERROR(RestoreState(*checkpoint, &models_, optimizer_.get()));
  saved_step_ = checkpoint->step;
  SM_INFO("resumed step={}", checkpoint->step);
  return absl::OkStatus();
}

// The value that says which checkpoint is best; none without validation.
absl::StatusOr<std::optional<double>> Run::Validate() {
  if (options_.validator == nullptr) return std::optional<double>();
  SM_ASSIGN_OR_RETURN(const auto scores,
                      options_.validator->Score(NamedTensors(*models_.model, {})));
  SM_RETURN_IF_ERROR(log_->Scores(scores, optimizer_->steps_done()));
  SM_RETURN_IF_ERROR(log_->Pictures(options_.validator->Pictures(), optimizer_->steps_done()));
  const auto best = scores.find(config_.validation().keep_best());
  return best == scores.end() ? std::optional<double>() : best->second;
}

absl::Status Run::Save(bool validate) {
  if (!processes_->first() || saved_step_ == optimizer_->steps_done()) return absl::OkStatus();
  Checkpoint checkpoint = StateOf(models_, *optimizer_);
  if (validate) {
    SM_ASSIGN_OR_RETURN(checkpoint.score, Validate());
  }
  SM_RETURN_IF_ERROR(
      SaveCheckpoint(CheckpointFolder(), checkpoint, config_.loop().keep_checkpoints()));
  saved_step_ = checkpoint.step;
  return absl::OkStatus();
}

absl::Status Run::Stopped(const std::string& text) const {
  return interrupted_ ? absl::CancelledError(text) : absl::ResourceExhaustedError(text);
}

// A signal or the clock may reach one process earlier than another, and all must stop at the same
// step.
Run::Next Run::Agree(absl::Time end) {
  const int signal = Signal();
  const torch::Tensor votes =
      torch::tensor({signal == SIGINT ? 1.0 : 0.0, signal != 0 && signal != SIGINT ? 1.0 : 0.0,
                     absl::Now() >= end ? 1.0 : 0.0},
                    torch::kFloat64);
  processes_->Sum(votes);
  interrupted_ = votes[0].item<double>() > 0;
  if (interrupted_ || votes[1].item<double>() > 0) return Next::kSaveAndStop;
  return votes[2].item<double>() > 0 ? Next::kTimeIsOver : Next::kStep;
}

absl::Status Run::AfterStep(const StepReport& report, absl::Duration data_wait) {
  const int64_t done = optimizer_->steps_done();
  SM_RETURN_IF_ERROR(log_->Step(report, done, data_wait));
  return done % config_.loop().checkpoint_every() == 0 ? Save(/*validate=*/true) : absl::OkStatus();
}

absl::Status Run::Loop() {
  const config::LoopConfig& loop = config_.loop();
  const absl::Time end = loop.max_minutes() > 0 ? absl::Now() + absl::Minutes(loop.max_minutes())
                                                : absl::InfiniteFuture();
  const int64_t clips = config_.data().batch_clips() / processes_->size();
  BatchAhead batches(data_->sampler(), {processes_->rank() * clips, clips}, device_,
                     optimizer_->steps_done(), loop.max_steps());
  absl::Duration waited;
  for (int64_t step = optimizer_->steps_done(); step < loop.max_steps(); ++step) {
    const Next next = Agree(end);
    if (next == Next::kTimeIsOver) break;
    if (next == Next::kSaveAndStop) {
      SM_RETURN_IF_ERROR(Save(/*validate=*/false));
      return Stopped(absl::StrCat("stopped at step ", step, ", saved; --resume goes on"));
    }
    const absl::Time before = absl::Now();
    std::optional<ClipBatch> batch = batches.Next();
    waited += absl::Now() - before;
    if (teacher_slots_ != nullptr) teacher_slots_->Fill(&*batch);
    SM_ASSIGN_OR_RETURN(const StepReport report, step_->Run(*batch, step));
    SM_RETURN_IF_ERROR(AfterStep(report, waited));
  }
  if (teacher_slots_ != nullptr) {
    SM_INFO("teacher slots read={} computed={}", teacher_slots_->found(),
            teacher_slots_->computed());
  }
  return Save(/*validate=*/true);
}

absl::Status Run::WriteResult() {
  if (!processes_->first()) return absl::OkStatus();
  ModelToWrite model;
  model.directory = (fs::path(options_.out) / "models" / config_.name() / "1").string();
  model.config = config_;
  model.provenance.set_data(data_->Description());
  model.provenance.set_recipe(options_.recipe);
  model.provenance.set_seed(config_.loop().seed());
  model.provenance.set_steps(optimizer_->steps_done());
  model.provenance.set_commit(Commit());
  model.tensors = NamedTensors(*models_.model, {});
  SM_RETURN_IF_ERROR(WriteModel(model));
  SM_INFO("model written directory={}", model.directory);
  return absl::OkStatus();
}

}  // namespace

absl::Status Train(const config::TrainConfig& config, const TrainOptions& options) {
  SM_RETURN_IF_ERROR(ValidateTrainConfig(config, options.place.size));
  const absl::Status memory = absl::ResourceExhaustedError(
      "out of memory; lower data.batch_clips or raise loop.accumulate");
  try {
    Run run(config, options);
    SM_RETURN_IF_ERROR(run.Prepare());
    SM_RETURN_IF_ERROR(run.Loop());
    return run.WriteResult();
  } catch (const ProcessLost& error) {
    return absl::UnavailableError(error.what());
  } catch (const std::bad_alloc&) {
    return memory;
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return absl::StrContains(text, "can't allocate memory") ? memory : absl::InternalError(text);
  }
}

}  // namespace slotmatch
