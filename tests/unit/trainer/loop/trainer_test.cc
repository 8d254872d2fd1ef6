#include "trainer/loop/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/loop/validate_config.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class TrainTest : public testing::Test {
 protected:
  TrainTest() {
    *config_.mutable_model() = TinyModelConfig();
    config_.mutable_model()->mutable_grouping_head()->set_enabled(true);
    config_.mutable_model()->mutable_grouping_head()->set_hidden_dim(12);
    config_.mutable_model()->set_target_normalization(config::COSINE);
    config_.set_name("tiny");
    config_.set_role("teacher");
    config_.set_backbone(WriteTinyBackbone(root_ + "/repository", config_.model().encoder(), 80));
    config::DatasetConfig* dataset = config_.mutable_data()->add_datasets();
    dataset->set_path("samples/moving_solids");
    config_.mutable_data()->set_clip_frames(3);
    config_.mutable_data()->set_batch_clips(2);
    config_.mutable_data()->set_feature_cache_dir(root_ + "/cache");
    config_.mutable_optim()->set_learning_rate(5e-3);
    config_.mutable_optim()->set_warmup_steps(1);
    AddLoss("reconstruction", 1.0);
    AddLoss("slot_contrast", 0.5);
    AddLoss("grouping", 1.0);
    config_.mutable_loop()->set_max_steps(6);
    config_.mutable_loop()->set_checkpoint_every(3);
    config_.mutable_loop()->set_log_every(1);
    config_.mutable_loop()->set_threads(1);
    config_.mutable_loop()->set_decoder_tokens(7);
  }

  void AddLoss(const std::string& name, double weight) {
    config::LossConfig* loss = config_.add_losses();
    loss->set_name(name);
    loss->set_weight(weight);
  }

  absl::Status Run(const std::string& out, bool resume = false,
                   const std::atomic<int>* stop = nullptr) {
    TrainOptions options;
    options.out = root_ + "/" + out;
    options.recipe = "configs/train/tiny.textproto";
    options.resume = resume;
    options.progress = false;
    options.stop = stop;
    return Train(config_, options);
  }

  std::vector<nlohmann::json> Log(const std::string& out) {
    std::vector<nlohmann::json> lines;
    const std::string text = ReadFile(root_ + "/" + out + "/losses.jsonl").value();
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }

  std::vector<std::string> CachedSlots() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(root_ + "/cache")) {
      if (entry.path().extension() == ".slots") files.push_back(entry.path());
    }
    return files;
  }

  void ExpectSameCheckpoint(const std::string& a, const std::string& b) {
    const Checkpoint one = LoadNewestCheckpoint(root_ + "/" + a + "/checkpoints").value();
    const Checkpoint two = LoadNewestCheckpoint(root_ + "/" + b + "/checkpoints").value();
    EXPECT_EQ(one.step, two.step);
    ASSERT_EQ(one.model.size(), two.model.size());
    for (const auto& [key, tensor] : one.model) {
      EXPECT_TRUE(BitIdentical(tensor, two.model.at(key))) << key;
    }
    for (const auto& [key, tensor] : one.optimizer) {
      EXPECT_TRUE(BitIdentical(tensor, two.optimizer.at(key))) << key;
    }
  }

  std::string root_ = FreshDirectory("train");
  config::TrainConfig config_;
};

TEST_F(TrainTest, RunsFromFramesToAModelThatOpens) {
  const absl::Status status = Run("run");
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<nlohmann::json> log = Log("run");
  ASSERT_EQ(log.size(), 6u);
  for (const nlohmann::json& line : log) {
    for (const char* name : {"loss", "reconstruction", "slot_contrast", "grouping", "grad_norm"}) {
      ASSERT_TRUE(line.contains(name) && line[name].is_number()) << line.dump();
      EXPECT_TRUE(std::isfinite(line[name].get<double>()));
    }
  }
  EXPECT_EQ(log.front()["learning_rate"].get<double>(), 0.0);  // first of one warm-up step
  EXPECT_EQ(log.back()["step"].get<int>(), 6);

  PartCache parts;
  const absl::StatusOr<ModelFiles> files = OpenModelDirectory(root_ + "/run/models/tiny/1", &parts);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->manifest.role(), "teacher");
  EXPECT_EQ(files->manifest.provenance().steps(), 6);
  EXPECT_EQ(files->manifest.provenance().recipe(), "configs/train/tiny.textproto");
  EXPECT_THAT(files->manifest.provenance().data(), HasSubstr("2 videos, 16 frames"));
  const absl::StatusOr<VideoModel> model = LoadVideoModel(*files);
  ASSERT_TRUE(model.ok()) << model.status();
  const Checkpoint newest = LoadNewestCheckpoint(root_ + "/run/checkpoints").value();
  for (const auto& [key, tensor] : NamedTensors(**model, {kBackbonePrefix})) {
    EXPECT_TRUE(BitIdentical(tensor, newest.model.at(key))) << key;
  }
  config::TrainConfig written;
  ASSERT_TRUE(LoadConfigFile(root_ + "/run/train_config.textproto", &written).ok());
  EXPECT_EQ(written.SerializeAsString(), config_.SerializeAsString());
}

TEST_F(TrainTest, LossFalls) {
  config_.mutable_loop()->set_max_steps(40);
  config_.mutable_loop()->set_checkpoint_every(100);
  ASSERT_TRUE(Run("run").ok());
  const std::vector<nlohmann::json> log = Log("run");
  EXPECT_LT(log.back()["grouping"].get<double>(), log.front()["grouping"].get<double>());
  EXPECT_LT(log.back()["loss"].get<double>(), 0.95 * log.front()["loss"].get<double>());
}

// VideoSAUR: random initial slots, slot mixer, keys of the backbone as target.
TEST_F(TrainTest, VideoSaurTrainsFromFramesToAModelThatOpens) {
  config_.clear_losses();
  AddLoss("reconstruction", 1.0);
  AddLoss("feature_similarity", 0.1);
  config::ModelConfig* model = config_.mutable_model();
  model->mutable_slot_init()->set_kind("random");
  model->mutable_slot_attention()->set_use_mlp(false);
  model->mutable_decoder()->set_kind("slot_mixer");
  model->mutable_decoder()->set_allocator_heads(2);
  model->mutable_decoder()->set_outputs(config::DecoderConfig::FEATURES_AND_SIMILARITY);
  config_.mutable_loop()->set_max_steps(20);
  const absl::Status status = Run("run");
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<nlohmann::json> log = Log("run");
  EXPECT_LT(log.back()["loss"].get<double>(), log.front()["loss"].get<double>());
  EXPECT_GT(log.back()["feature_similarity"].get<double>(), 0.0);
  PartCache parts;
  const auto files = OpenModelDirectory(root_ + "/run/models/tiny/1", &parts);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_TRUE(LoadVideoModel(*files).ok());
}

// DINOSAUR: single frames, no predictor.
TEST_F(TrainTest, ImageModelTrainsOnSingleFrames) {
  config_.clear_losses();
  AddLoss("reconstruction", 1.0);
  config_.mutable_data()->set_clip_frames(1);
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  config_.mutable_model()->mutable_predictor()->set_kind("none");
  config_.mutable_loop()->set_max_steps(20);
  const absl::Status status = Run("run");
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<nlohmann::json> log = Log("run");
  EXPECT_LT(log.back()["loss"].get<double>(), log.front()["loss"].get<double>());
}

// Random initial slots too: their noise belongs to the step, not to the process.
TEST_F(TrainTest, ResumingIsBitIdenticalToNotStopping) {
  for (const char* init : {"fixed_learned", "random"}) {
    SCOPED_TRACE(init);
    config_.mutable_model()->mutable_slot_init()->set_kind(init);
    const std::string whole = std::string("whole_") + init,
                      resumed = std::string("resumed_") + init;
    ASSERT_TRUE(Run(whole).ok());
    fs::create_directories(root_ + "/" + resumed + "/checkpoints");
    fs::copy(root_ + "/" + whole + "/checkpoints/step_000000003",
             root_ + "/" + resumed + "/checkpoints/step_000000003");
    const absl::Status status = Run(resumed, /*resume=*/true);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Log(resumed).size(), 3u);
    ExpectSameCheckpoint(whole, resumed);
  }
}

TEST_F(TrainTest, SignalSavesAndResumeGoesOn) {
  ASSERT_TRUE(Run("whole").ok());
  std::atomic<int> stop = SIGINT;
  EXPECT_EQ(Run("stopped", false, &stop).code(), absl::StatusCode::kCancelled);
  stop = SIGTERM;
  const absl::Status status = Run("stopped", true, &stop);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--resume goes on"));
  EXPECT_FALSE(fs::exists(root_ + "/stopped/models"));
  ASSERT_TRUE(Run("stopped", true).ok());
  ExpectSameCheckpoint("whole", "stopped");
}

TEST_F(TrainTest, ResumeWithAnotherModelIsRefused) {
  ASSERT_TRUE(Run("run").ok());
  config_.mutable_model()->set_num_slots(4);
  const absl::Status status = Run("run", /*resume=*/true);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another model config"));
}

TEST_F(TrainTest, StudentLearnsFromATeacherThatDoesNotChange) {
  ASSERT_TRUE(Run("teacher").ok());
  const std::string teacher = root_ + "/teacher/models/tiny/1";
  const std::string before = Sha256OfFile(teacher + "/weights.safetensors").value();
  config_.set_name("pupil");
  config_.set_role("student");
  config_.mutable_teacher()->set_path(teacher);
  config_.mutable_model()->mutable_encoder()->set_depth(1);  // a smaller encoder: two views
  config_.mutable_loop()->set_seed(7);
  AddLoss("slot_kd", 0.2);
  config_.mutable_loop()->set_max_steps(30);
  const absl::Status status = Run("student");
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<nlohmann::json> log = Log("student");
  EXPECT_LT(log.back()["slot_kd"].get<double>(), log.front()["slot_kd"].get<double>());
  EXPECT_EQ(Sha256OfFile(teacher + "/weights.safetensors").value(), before);
  PartCache parts;
  const absl::StatusOr<ModelFiles> files =
      OpenModelDirectory(root_ + "/student/models/pupil/1", &parts);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->manifest.role(), "student");
  EXPECT_TRUE(LoadVideoModel(*files).ok());
}

// Kept slots change nothing but the time a step takes, and are those of one teacher.
TEST_F(TrainTest, KeptTeacherSlotsChangeNoBit) {
  ASSERT_TRUE(Run("teacher").ok());
  config_.mutable_loop()->set_seed(7);
  ASSERT_TRUE(Run("another").ok());
  config_.mutable_teacher()->set_path(root_ + "/teacher/models/tiny/1");
  AddLoss("slot_kd", 0.2);
  config_.mutable_data()->set_horizontal_flip(0.5);
  config_.mutable_loop()->set_max_steps(12);
  for (const int depth : {2, 1}) {  // one view, and a view of the teacher's own
    SCOPED_TRACE(depth);
    config_.mutable_model()->mutable_encoder()->set_depth(depth);
    config_.mutable_data()->set_cache_teacher_slots(false);
    fs::remove_all(root_ + "/without");
    ASSERT_TRUE(Run("without").ok());
    EXPECT_EQ(CachedSlots().empty(), depth == 2);
    config_.mutable_data()->set_cache_teacher_slots(true);
    for (const char* visit : {"first", "second"}) {
      fs::remove_all(root_ + "/" + visit);
      ASSERT_TRUE(Run(visit).ok());
      ExpectSameCheckpoint("without", visit);
    }
  }
  EXPECT_EQ(CachedSlots().size(), 2u) << "the same teacher sees the same tokens: one file a video";
  config_.mutable_teacher()->set_path(root_ + "/another/models/tiny/1");
  ASSERT_TRUE(Run("of_another").ok());
  EXPECT_EQ(CachedSlots().size(), 4u);
}

TEST_F(TrainTest, SlotsFromNoiseAreNotKept) {
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  ASSERT_TRUE(Run("teacher").ok());
  config_.mutable_teacher()->set_path(root_ + "/teacher/models/tiny/1");
  AddLoss("slot_kd", 0.2);
  ASSERT_TRUE(Run("student").ok());
  EXPECT_THAT(CachedSlots(), testing::IsEmpty());
}

TEST_F(TrainTest, TeacherWithOtherSlotsIsRefused) {
  ASSERT_TRUE(Run("teacher").ok());
  config_.mutable_teacher()->set_path(root_ + "/teacher/models/tiny/1");
  config_.mutable_model()->set_num_slots(4);
  const absl::Status status = Run("student");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("teacher has 3 slots of 8, the student 4 of 8"));
}

TEST_F(TrainTest, InitFromCopiesTheHead) {
  ASSERT_TRUE(Run("first").ok());
  config_.set_init_from(root_ + "/first/models/tiny/1");
  std::atomic<int> stop = SIGINT;  // saved before the first step
  ASSERT_EQ(Run("second", false, &stop).code(), absl::StatusCode::kCancelled);
  const Checkpoint first = LoadNewestCheckpoint(root_ + "/first/checkpoints").value();
  const Checkpoint second = LoadNewestCheckpoint(root_ + "/second/checkpoints").value();
  EXPECT_EQ(second.step, 0);
  for (const auto& [key, tensor] : first.model) {
    EXPECT_TRUE(BitIdentical(second.model.at(key), tensor)) << key;
  }
}

TEST_F(TrainTest, ValidationListsEveryProblem) {
  config_.clear_name();
  config_.set_role("pupil");
  config_.set_backbone("nowhere/1");
  config_.set_init_from("nowhere/2");
  config_.mutable_model()->set_num_slots(0);
  config_.mutable_model()->mutable_grouping_head()->set_enabled(false);
  config_.mutable_data()->mutable_datasets(0)->set_path("nowhere/3");
  config_.mutable_data()->set_clip_frames(0);
  config_.mutable_data()->set_batch_clips(0);
  config_.mutable_loop()->set_max_steps(0);
  config_.mutable_loop()->set_log_every(0);
  config_.mutable_optim()->set_learning_rate(0);
  AddLoss("slot_kd", 0.2);
  AddLoss("dice", 1.0);
  const absl::Status status = ValidateTrainConfig(config_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("name is not set"), HasSubstr("role 'pupil' is neither"),
                    HasSubstr("model: num_slots 0"),
                    HasSubstr("data.clip_frames is 0; it has to be at least 1"),
                    HasSubstr("data.batch_clips is 0;"), HasSubstr("loop.max_steps is 0;"),
                    HasSubstr("loop.log_every is 0;"),
                    HasSubstr("optim.learning_rate is 0; it has to be above 0")));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("'slot_kd' needs a teacher"), HasSubstr("loss 'dice' is unknown"),
                    HasSubstr("'grouping' needs model.grouping_head.enabled"),
                    HasSubstr("backbone 'nowhere/1' does not exist"),
                    HasSubstr("init_from 'nowhere/2' does not exist"),
                    HasSubstr("data.datasets.path 'nowhere/3' does not exist")));
  EXPECT_EQ(Run("run").message(), status.message());
}

TEST_F(TrainTest, ValidationCatchesMissingListsAndContrastOverOneFrame) {
  EXPECT_TRUE(ValidateTrainConfig(config_).ok()) << ValidateTrainConfig(config_);
  config_.mutable_data()->set_clip_frames(1);
  EXPECT_THAT(std::string(ValidateTrainConfig(config_).message()),
              HasSubstr("'slot_contrast' needs data.clip_frames of at least 2"));
  config_.clear_losses();
  config_.mutable_data()->clear_datasets();
  EXPECT_THAT(std::string(ValidateTrainConfig(config_).message()),
              AllOf(HasSubstr("losses: none"), HasSubstr("data.datasets: none")));
}

}  // namespace
}  // namespace slotmatch
