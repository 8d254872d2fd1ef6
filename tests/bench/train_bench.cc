#include "tests/bench/train_bench.h"

#include <torch/torch.h>

#include <ctime>
#include <filesystem>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/cpu.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "core/model/model_io.h"
#include "tests/bench/train_clips.h"
#include "tests/integration/process.h"
#include "trainer/step/train_step.h"

namespace slotmatch {
namespace {

constexpr uint64_t kTeacherSeed = 11;
constexpr int64_t kWarmUp = int64_t{1} << 39;  // a step that no training reaches
constexpr int64_t kMaxSteps = 100000;

// One training that is under way.
struct Student {
  VideoModel model{nullptr};
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<TrainStep> step;
};

absl::Duration CpuTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

config::LoopConfig::Precision PrecisionOf(const TrainVariant& variant) {
  return variant.bfloat16 ? config::LoopConfig::BFLOAT16 : config::LoopConfig::FLOAT32;
}

class TorchTrainBench : public TrainBench {
 public:
  explicit TorchTrainBench(const TrainBenchOptions& options) : options_(options) {}
  ~TorchTrainBench() override { std::filesystem::remove_all(cache_); }

  absl::Status Load() {
    config::ComputeConfig compute;
    compute.set_torch_threads(static_cast<int>(options_.threads));
    SM_ASSIGN_OR_RETURN(description_, InitTorch(compute));
    SM_RETURN_IF_ERROR(LoadRecipe());
    PartCache parts;
    SM_RETURN_IF_ERROR(LoadTeacher(&parts));
    SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(config_.backbone(), &parts));
    SM_ASSIGN_OR_RETURN(const Backbone encoder,
                        LoadBackbone(files, config_.model(), config_.data().preprocessing()));
    SM_ASSIGN_OR_RETURN(clips_, BenchClips::Open({config_, encoder, teacher_, options_.videos,
                                                  cache_, [this] { return Time(); }}));
    Describe();
    fixed_ = clips_->Fixed();
    SM_ASSIGN_OR_RETURN(const Student untrained, MakeStudent(ConfigOf({})));
    SM_ASSIGN_OR_RETURN(first_loss_, LossOf(untrained));
    const absl::Duration start = Time();
    clips_->CacheSlots(config::LoopConfig::FLOAT32);
    slot_time_ = Time() - start;
    if (CpuHasBfloat16()) clips_->CacheSlots(config::LoopConfig::BFLOAT16);
    return absl::OkStatus();
  }

  std::string description() const override { return description_; }
  double first_loss() const override { return first_loss_; }
  absl::Duration token_time() const override { return clips_->token_time(); }
  absl::Duration slot_time() const override { return slot_time_; }

  absl::StatusOr<TrainOutcome> Run(const TrainVariant& variant, int64_t steps,
                                   absl::Duration at_least) override {
    const config::TrainConfig config = ConfigOf(variant);
    SM_ASSIGN_OR_RETURN(const Student warm_up, MakeStudent(config));
    SM_RETURN_IF_ERROR(Step(variant, kWarmUp, warm_up));
    SM_ASSIGN_OR_RETURN(const Student student, MakeStudent(config));
    TrainOutcome outcome;
    absl::Duration time;
    while (outcome.steps < steps || time < at_least) {
      const absl::Duration start = Time();
      SM_RETURN_IF_ERROR(Step(variant, outcome.steps, student));
      time += Time() - start;
      if (++outcome.steps != steps) continue;
      SM_ASSIGN_OR_RETURN(outcome.loss_after_some, LossOf(student));
    }
    outcome.steps_per_s = static_cast<double>(outcome.steps) / absl::ToDoubleSeconds(time);
    outcome.loss_after_all = outcome.loss_after_some;
    if (outcome.steps > steps) {
      SM_ASSIGN_OR_RETURN(outcome.loss_after_all, LossOf(student));
    }
    return outcome;
  }

 private:
  // From some moment on.
  absl::Duration Time() const {
    return options_.cpu_time ? CpuTime() : absl::Now() - absl::UnixEpoch();
  }

  absl::Status LoadRecipe() {
    SM_RETURN_IF_ERROR(LoadConfigFile(options_.recipe, &config_));
    config::EncoderConfig* encoder = config_.mutable_model()->mutable_encoder();
    encoder->set_input_height_px(static_cast<int>(options_.size_px));
    encoder->set_input_width_px(static_cast<int>(options_.size_px));
    config_.mutable_data()->set_batch_clips(static_cast<int>(options_.clips));
    config_.mutable_optim()->set_warmup_steps(2);
    config_.mutable_loop()->set_decoder_tokens(static_cast<int>(options_.decoder_tokens));
    config_.mutable_data()->clear_datasets();
    config::DatasetConfig* dataset = config_.mutable_data()->add_datasets();
    if (options_.data.empty()) {
      dataset->set_path("samples/moving_solids");
      dataset = config_.mutable_data()->add_datasets();
      dataset->set_kind("video");
      dataset->set_path("samples");
      dataset->set_max_fps(10);
    } else {
      dataset->set_kind(options_.kind);
      dataset->set_path(options_.data);
      dataset->set_split(options_.split);
    }
    return ApplyOverrides(options_.settings, &config_);
  }

  // Its backbone is the student's too, so that the reference needs it once a frame.
  absl::Status LoadTeacher(PartCache* parts) {
    if (options_.teacher.empty()) {
      torch::manual_seed(kTeacherSeed);
      teacher_ = VideoModel(config_.model(), WithEncoder::kNo);
    } else {
      SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(options_.teacher, parts));
      SM_ASSIGN_OR_RETURN(teacher_, LoadVideoModel(files, WithEncoder::kNo));
      config_.mutable_model()->set_num_slots(teacher_->config().num_slots());
      config_.mutable_model()->set_slot_dim(teacher_->config().slot_dim());
      if (teacher_->config().encoder().SerializeAsString() !=
          config_.model().encoder().SerializeAsString()) {
        return absl::InvalidArgumentError("the teacher has another encoder than the student");
      }
    }
    for (torch::Tensor& weight : teacher_->parameters()) weight.set_requires_grad(false);
    return SlotsFollowFromClip(teacher_)
               ? absl::OkStatus()
               : absl::InvalidArgumentError("the teacher's slots start from noise");
  }

  void Describe() {
    const config::ModelConfig& model = config_.model();
    absl::StrAppendFormat(
        &description_,
        "\n%s: %s, %d px, %d slots of %d, %d clips of %d frames a step\n%s; teacher: %s",
        config_.name(), model.encoder().variant(), options_.size_px, model.num_slots(),
        model.slot_dim(), config_.data().batch_clips(), config_.data().clip_frames(),
        clips_->Description(), options_.teacher.empty() ? "freshly drawn" : options_.teacher);
  }

  config::TrainConfig ConfigOf(const TrainVariant& variant) const {
    config::TrainConfig config = config_;
    if (!variant.few_tokens) config.mutable_loop()->set_decoder_tokens(0);
    config.mutable_loop()->set_precision(PrecisionOf(variant));
    return config;
  }

  absl::StatusOr<Student> MakeStudent(const config::TrainConfig& config) const {
    torch::manual_seed(static_cast<uint64_t>(config.loop().seed()));
    Student student{VideoModel(config.model(), WithEncoder::kNo), nullptr, nullptr};
    std::vector<std::pair<std::string, torch::Tensor>> parameters;
    for (const auto& item : student.model->named_parameters()) {
      parameters.emplace_back(item.key(), item.value());
    }
    student.optimizer =
        std::make_unique<Optimizer>(std::move(parameters), config.optim(), kMaxSteps);
    SM_ASSIGN_OR_RETURN(TrainStep step,
                        TrainStep::Create(config, {student.model, teacher_, LossHeads(nullptr),
                                                   student.optimizer.get()}));
    student.step = std::make_unique<TrainStep>(std::move(step));
    return student;
  }

  absl::Status Step(const TrainVariant& variant, int64_t step, const Student& student) {
    const auto precision = PrecisionOf(variant);
    const ClipBatch batch = variant.cached_slots    ? clips_->FromSlots(step, precision)
                            : variant.cached_tokens ? clips_->FromTokens(step, precision)
                                                    : clips_->FromPixels(step);
    return student.step->Run(batch, step).status();
  }

  absl::StatusOr<double> LossOf(const Student& student) const {
    SM_ASSIGN_OR_RETURN(
        TrainStep step,
        TrainStep::Create(ConfigOf({}), {student.model, teacher_, LossHeads(nullptr), nullptr}));
    return step.Evaluate(fixed_, /*step=*/0).total;
  }

  const TrainBenchOptions options_;
  const std::string cache_ = FreshFolder("train_bench");
  config::TrainConfig config_;
  std::string description_;
  VideoModel teacher_{nullptr};
  std::unique_ptr<BenchClips> clips_;
  ClipBatch fixed_;
  double first_loss_ = 0;
  absl::Duration slot_time_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainBench>> TrainBench::Open(const TrainBenchOptions& options) {
  auto bench = std::make_unique<TorchTrainBench>(options);
  SM_RETURN_IF_ERROR(bench->Load());
  return bench;
}

}  // namespace slotmatch
