#include "trainer/step/train_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "absl/strings/match.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

class TrainStepTest : public testing::Test {
 protected:
  TrainStepTest() {
    *config_.mutable_model() = TinyModelConfig();
    config_.mutable_optim()->set_learning_rate(1e-2);
    config_.mutable_optim()->set_warmup_steps(0);
    torch::manual_seed(70);
    batch_.tokens = {torch::randn({2, 3, 16, 16})};
  }

  void AddLoss(const std::string& name, double weight = 1.0) {
    config::LossConfig* loss = config_.add_losses();
    loss->set_name(name);
    loss->set_weight(weight);
  }

  absl::StatusOr<TrainStep> Create(VideoModel teacher = VideoModel(nullptr)) {
    model_ = MakeTinyModel(config_.model(), 71, WithEncoder::kNo);
    std::vector<std::pair<std::string, torch::Tensor>> parameters;
    for (const auto& item : model_->named_parameters()) {
      parameters.emplace_back(item.key(), item.value());
    }
    optimizer_ = std::make_unique<Optimizer>(std::move(parameters), config_.optim(), 100);
    return TrainStep::Create(config_, {model_, teacher, LossHeads(nullptr), optimizer_.get()});
  }

  VideoModel Teacher(uint64_t seed) {
    VideoModel teacher = MakeTinyModel(config_.model(), seed, WithEncoder::kNo);
    for (torch::Tensor& weight : teacher->parameters()) weight.set_requires_grad(false);
    return teacher;
  }

  static std::map<std::string, torch::Tensor> Copy(const VideoModel& model) {
    std::map<std::string, torch::Tensor> copy;
    for (const auto& [key, tensor] : NamedTensors(*model, {})) copy[key] = tensor.clone();
    return copy;
  }

  config::TrainConfig config_;
  ClipBatch batch_;
  VideoModel model_{nullptr};
  std::unique_ptr<Optimizer> optimizer_;
};

TEST_F(TrainStepTest, ReportsLossesInOrderAndTheirWeightedSum) {
  AddLoss("slot_contrast", 0.5);
  AddLoss("reconstruction");
  AddLoss("slot_kd", 0.2);
  AddLoss("mask_follow", 0.0);
  const auto report = Create(Teacher(72))->Run(batch_, 0);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->losses.size(), 3u);  // a weight of 0 removes the loss
  EXPECT_EQ(report->losses[0].first, "slot_contrast");
  EXPECT_EQ(report->losses[1].first, "reconstruction");
  EXPECT_NEAR(
      report->total,
      0.5 * report->losses[0].second + report->losses[1].second + 0.2 * report->losses[2].second,
      1e-5);
  EXPECT_GT(report->grad_norm, 0.0);
  EXPECT_EQ(report->learning_rate, 1e-2);
}

TEST_F(TrainStepTest, TeacherParametersDoNotChange) {
  AddLoss("slot_kd");
  const VideoModel teacher = Teacher(73);
  const auto before = Copy(teacher);
  TrainStep step = Create(teacher).value();
  const auto student = Copy(model_);
  for (int64_t i = 0; i < 3; ++i) ASSERT_TRUE(step.Run(batch_, i).ok());
  for (const auto& [key, tensor] : NamedTensors(*teacher, {})) {
    EXPECT_TRUE(torch::equal(tensor, before.at(key))) << key;
  }
  for (const torch::Tensor& weight : teacher->parameters()) EXPECT_FALSE(weight.grad().defined());
  EXPECT_FALSE(torch::equal(model_->named_parameters()["initializer.slots"],
                            student.at("initializer.slots")));
}

TEST_F(TrainStepTest, DistillationPullsTheStudentToTheTeacher) {
  AddLoss("slot_kd");
  TrainStep step = Create(Teacher(74)).value();
  const double first = step.Run(batch_, 0)->total;
  double last = first;
  for (int64_t i = 1; i < 40; ++i) last = step.Run(batch_, i)->total;
  EXPECT_LT(last, 0.5 * first);
}

TEST_F(TrainStepTest, TeacherSeesItsOwnView) {
  AddLoss("slot_kd");
  const double one_view = Create(Teacher(71))->Run(batch_, 0)->total;
  EXPECT_NEAR(one_view, 0.0, 1e-5);  // the same weights on the same tokens
  batch_.tokens.push_back(torch::randn({2, 3, 16, 16}));
  EXPECT_GT(Create(Teacher(71))->Run(batch_, 0)->total, 1e-3);
}

// The decoder sees corrected slots: with one frame nothing can reach the predictor.
TEST_F(TrainStepTest, ReconstructionOfOneFrameDoesNotTrainThePredictor) {
  AddLoss("reconstruction");
  batch_.tokens = {batch_.tokens[0].slice(1, 0, 1)};
  TrainStep step = Create().value();
  const auto before = Copy(model_);
  ASSERT_TRUE(step.Run(batch_, 0).ok());
  for (const auto& [key, tensor] : NamedTensors(*model_, {})) {
    const bool predictor = absl::StrContains(key, ".predictor.");
    EXPECT_EQ(torch::equal(tensor, before.at(key)), predictor) << key;
  }
}

TEST_F(TrainStepTest, GradientsFlowThroughEarlierFrames) {
  AddLoss("reconstruction");
  TrainStep step = Create().value();
  const auto before = Copy(model_);
  ASSERT_TRUE(step.Run(batch_, 0).ok());
  const std::string key = "processor.module.predictor.blocks.0.linear2.weight";
  EXPECT_FALSE(torch::equal(model_->named_parameters()[key], before.at(key)));
}

TEST_F(TrainStepTest, IsAPureFunctionOfParametersBatchAndStep) {
  AddLoss("reconstruction");
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  config_.mutable_loop()->set_decoder_tokens(5);
  const auto total = [&](int64_t step, uint64_t global_seed) {
    TrainStep train_step = Create().value();
    torch::manual_seed(global_seed);
    return train_step.Run(batch_, step)->total;
  };
  EXPECT_EQ(total(3, 1), total(3, 2));
  EXPECT_NE(total(3, 1), total(4, 1));
}

TEST_F(TrainStepTest, RandomInitialSlotsAreSharedWithTheTeacher) {
  AddLoss("slot_kd");
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  EXPECT_NEAR(Create(Teacher(71))->Run(batch_, 0)->total, 0.0, 1e-5);
}

TEST_F(TrainStepTest, RandomTeacherOfAFixedStudentBeginsFromTheStepsNoise) {
  AddLoss("slot_kd");
  config::ModelConfig random = config_.model();
  random.mutable_slot_init()->set_kind("random");
  const auto total = [&](uint64_t global_seed) {
    VideoModel teacher = MakeTinyModel(random, 72, WithEncoder::kNo);
    TrainStep step = Create(teacher).value();
    torch::manual_seed(global_seed);
    return step.Run(batch_, 0)->total;
  };
  EXPECT_EQ(total(1), total(2));
}

// VideoSAUR: keys are the last view; a teacher without a view of its own sees the student's tokens.
TEST_F(TrainStepTest, FeatureSimilarityLearnsFromTheViewOfKeys) {
  AddLoss("feature_similarity");
  AddLoss("slot_kd", 0.0);
  config_.mutable_model()->mutable_decoder()->set_kind("slot_mixer");
  config_.mutable_model()->mutable_decoder()->set_allocator_heads(2);
  config_.mutable_model()->mutable_decoder()->set_outputs(config::DecoderConfig::SIMILARITY);
  config_.mutable_model()->mutable_slot_init()->set_kind("random");
  config_.mutable_loop()->set_decoder_tokens(9);
  // Nothing moves: every token is found where it was.
  batch_.tokens.push_back(torch::randn({1, 1, 16, 16}).repeat({2, 3, 1, 1}));
  TrainStep step = Create().value();
  const double first = step.Run(batch_, 0)->total;
  double last = first;
  for (int64_t i = 1; i < 60; ++i) last = step.Run(batch_, i)->total;
  EXPECT_LT(last, 0.9 * first);
  batch_.tokens.pop_back();
  EXPECT_THAT(MessageThrownBy([&] { (void)step.Run(batch_, 60); }), HasSubstr("no view of keys"));
}

TEST_F(TrainStepTest, TeacherDoesNotTakeKeysForItsView) {
  AddLoss("slot_kd");
  AddLoss("feature_similarity", 1e-3);
  config_.mutable_model()->mutable_decoder()->set_outputs(
      config::DecoderConfig::FEATURES_AND_SIMILARITY);
  batch_.tokens.push_back(torch::randn({2, 3, 16, 16}));
  EXPECT_NEAR(Create(Teacher(71))->Run(batch_, 0)->losses[0].second, 0.0, 1e-5);
}

TEST_F(TrainStepTest, LossThatIsNotFiniteIsNamedAndChangesNothing) {
  AddLoss("slot_contrast");
  AddLoss("reconstruction");
  batch_.tokens[0][0][0][0][0] = std::nanf("");
  TrainStep step = Create().value();
  const auto before = Copy(model_);
  const absl::Status status = step.Run(batch_, 17).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("loss 'slot_contrast' is nan at step 17"));
  for (const auto& [key, tensor] : NamedTensors(*model_, {})) {
    EXPECT_TRUE(torch::equal(tensor, before.at(key))) << key;
  }
}

TEST_F(TrainStepTest, CreateRefusesLossesThatLackWhatTheyNeed) {
  EXPECT_THAT(std::string(Create().status().message()), HasSubstr("losses: none is configured"));
  AddLoss("slot_kd");
  EXPECT_THAT(std::string(Create().status().message()), HasSubstr("'slot_kd' needs a teacher"));
  config_.clear_losses();
  AddLoss("grouping");
  EXPECT_THAT(std::string(Create().status().message()), HasSubstr("model.grouping_head.enabled"));
  config_.clear_losses();
  AddLoss("dice");
  EXPECT_EQ(Create().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainStepTest, AllWeightsZeroIsRefused) {
  AddLoss("reconstruction", 0.0);
  EXPECT_EQ(Create().status().code(), absl::StatusCode::kInvalidArgument);
}

// Two parts, one update: that of the whole batch, for losses that are means over clips.
TEST_F(TrainStepTest, PartsOfABatchMakeTheUpdateOfTheWhole) {
  for (const char* init : {"fixed_learned", "random"}) {
    SCOPED_TRACE(init);
    config_.clear_losses();
    config_.mutable_model()->mutable_slot_init()->set_kind(init);
    AddLoss("reconstruction");
    AddLoss("slot_contrast", 0.5);
    config_.mutable_losses(1)->set_batch_negatives(false);
    config_.mutable_loop()->set_accumulate(1);
    const StepReport whole = Create()->Run(batch_, 0).value();
    const auto expected = Copy(model_);
    config_.mutable_loop()->set_accumulate(2);
    const StepReport parts = Create()->Run(batch_, 0).value();
    EXPECT_NEAR(parts.total, whole.total, 1e-6);
    EXPECT_NEAR(parts.grad_norm, whole.grad_norm, 1e-5 * whole.grad_norm);
    for (const auto& [key, tensor] : Copy(model_)) {
      // A bias of keys moves no softmax: its gradient is rounding alone, which Adam scales up.
      if (absl::EndsWith(key, ".qkv.bias")) continue;
      EXPECT_LT(MaxDifference(tensor, expected.at(key)), 1e-5) << key;
    }
  }
}

TEST_F(TrainStepTest, NegativesOfAPartAreItsOwn) {
  AddLoss("slot_contrast");
  const double whole = Create()->Run(batch_, 0)->total;
  config_.mutable_losses(0)->set_batch_negatives(false);
  const double each_clip = Create()->Run(batch_, 0)->total;
  config_.mutable_losses(0)->set_batch_negatives(true);
  config_.mutable_loop()->set_accumulate(2);  // parts of one clip
  EXPECT_NEAR(Create()->Run(batch_, 0)->total, each_clip, 1e-6);
  EXPECT_GT(std::abs(whole - each_clip), 1e-3);
}

TEST_F(TrainStepTest, Bfloat16ComesCloseAndKeepsFloat32Parameters) {
  AddLoss("reconstruction");
  AddLoss("slot_contrast", 0.5);
  AddLoss("slot_kd", 0.2);
  const StepReport wide = Create(Teacher(72))->Run(batch_, 0).value();
  config_.mutable_loop()->set_precision(config::LoopConfig::BFLOAT16);
  const StepReport narrow = Create(Teacher(72))->Run(batch_, 0).value();
  EXPECT_NE(narrow.total, wide.total);
  EXPECT_NEAR(narrow.total, wide.total, 0.02 * wide.total);
  EXPECT_NEAR(narrow.grad_norm, wide.grad_norm, 0.1 * wide.grad_norm);
  for (const auto& [key, tensor] : Copy(model_)) {
    EXPECT_EQ(tensor.scalar_type(), torch::kFloat32) << key;
  }
}

// Feature and reconstruction distillation see a teacher of another width.
TEST_F(TrainStepTest, StudentFollowsATeacherOfAnotherWidth) {
  config::ModelConfig wide = config_.model();
  wide.mutable_encoder()->set_embed_dim(24);
  VideoModel teacher = MakeTinyModel(wide, 5, WithEncoder::kNo);
  batch_.tokens.push_back(torch::randn({2, 3, 16, 24}));
  AddLoss("feature_kd");
  AddLoss("reconstruction_kd");
  model_ = MakeTinyModel(config_.model(), 71, WithEncoder::kNo);
  LossHeads heads(config_, 16, 24);
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  for (const auto& item : model_->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  for (const auto& item : heads->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  Optimizer optimizer(std::move(parameters), config_.optim(), 100);
  auto step = TrainStep::Create(config_, {model_, teacher, heads, &optimizer});
  ASSERT_TRUE(step.ok()) << step.status();
  const StepReport first = step->Run(batch_, 0).value();
  const torch::Tensor before = heads->parameters()[0].clone();
  StepReport last;
  for (int64_t i = 1; i < 40; ++i) last = step->Run(batch_, i).value();
  for (int loss : {0, 1}) EXPECT_LT(last.losses[loss].second, first.losses[loss].second) << loss;
  EXPECT_GT(MaxDifference(heads->parameters()[0], before), 1e-4) << "the projection trains too";
}

}  // namespace
}  // namespace slotmatch
