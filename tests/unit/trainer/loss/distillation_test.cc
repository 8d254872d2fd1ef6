#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"
#include "trainer/loss/loss_heads.h"
#include "trainer/loss/losses.h"
#include "trainer/loss/teacher_fit.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

config::TrainConfig ConfigWith(const std::string& loss) {
  config::TrainConfig config;
  *config.mutable_model() = TinyModelConfig();
  config.add_losses()->set_name(loss);
  return config;
}

// The same fill, and the mean over every element, by another way.
TEST(FeatureKd, IsTheMeanSquareOverEveryElement) {
  LossInputs in;
  in.features = GoldenFill({2, 3, 4, 5}, 40, 1.0);
  in.teacher_features = GoldenFill({2, 3, 4, 5}, 41.5, 1.0);
  double sum = 0;
  for (int i = 0; i < 120; ++i) {
    const double difference = std::sin(1.3 * i + 40) - std::sin(1.3 * i + 41.5);
    sum += difference * difference;
  }
  EXPECT_NEAR(FeatureKdLoss(in, {}).item<double>(), sum / 120, 1e-12);
  in.features = in.teacher_features;
  EXPECT_EQ(FeatureKdLoss(in, {}).item<double>(), 0.0);
}

TEST(ReconstructionKd, ComparesAtTheTeachersWidth) {
  LossInputs in;
  in.projected_reconstruction = GoldenFill({1, 2, 3, 6}, 7, 1.0);
  in.teacher_reconstruction = GoldenFill({1, 2, 3, 6}, 9, 1.0);
  double sum = 0;
  for (int i = 0; i < 36; ++i) {
    const double difference = std::sin(1.3 * i + 7) - std::sin(1.3 * i + 9);
    sum += difference * difference;
  }
  EXPECT_NEAR(ReconstructionKdLoss(in, {}).item<double>(), sum / 36, 1e-12);
}

TEST(Distillation, OtherShapesAreRefused) {
  LossInputs in;
  in.features = torch::zeros({1, 2, 3, 4});
  in.teacher_features = torch::zeros({1, 2, 1, 4});  // would broadcast
  EXPECT_THAT(MessageThrownBy([&] { FeatureKdLoss(in, {}); }), HasSubstr("teacher features"));
}

TEST(Distillation, NothingFlowsToTheTeacher) {
  LossInputs in;
  in.features = torch::randn({1, 1, 2, 3}).requires_grad_();
  in.teacher_features = torch::randn({1, 1, 2, 3}).requires_grad_();
  FeatureKdLoss(in, {}).backward();
  EXPECT_TRUE(in.features.grad().defined());
  EXPECT_FALSE(in.teacher_features.grad().defined());
}

TEST(LossHeads, ProjectOnlyWhereWidthsDiffer) {
  const config::TrainConfig config = ConfigWith("reconstruction_kd");
  LossHeads heads(config, 16, 24);
  EXPECT_EQ(heads->ProjectReconstruction(torch::zeros({2, 5, 16})).sizes(),
            torch::IntArrayRef({2, 5, 24}));
  EXPECT_EQ(heads->named_parameters().keys(),
            (std::vector<std::string>{"reconstruction.weight", "reconstruction.bias"}));
  EXPECT_TRUE(LossHeads(config, 16, 16)->parameters().empty());
  EXPECT_TRUE(LossHeads(ConfigWith("slot_kd"), 16, 24)->parameters().empty());
}

TEST(TeacherProblems, SlotsHaveToAgree) {
  const config::TrainConfig config = ConfigWith("slot_kd");
  config::ModelConfig teacher = TinyModelConfig();
  EXPECT_THAT(TeacherProblems(config, teacher), IsEmpty());
  teacher.set_num_slots(4);
  EXPECT_THAT(TeacherProblems(config, teacher),
              ElementsAre(HasSubstr("teacher has 4 slots of 8, the student 3 of 8")));
}

TEST(TeacherProblems, TokensHaveToAgreeWhereTheyAreCompared) {
  config::ModelConfig teacher = TinyModelConfig();
  teacher.mutable_encoder()->set_input_height_px(28);
  EXPECT_THAT(TeacherProblems(ConfigWith("slot_kd"), teacher), IsEmpty());
  for (const char* loss : {"feature_kd", "reconstruction_kd"}) {
    EXPECT_THAT(TeacherProblems(ConfigWith(loss), teacher),
                ElementsAre(HasSubstr("teacher has 4x2 tokens, the student 4x4")));
  }
}

TEST(TeacherProblems, ATeacherWithoutFeaturesCannotShowThem) {
  config::ModelConfig teacher = TinyModelConfig();
  teacher.mutable_decoder()->set_outputs(config::DecoderConfig::SIMILARITY);
  EXPECT_THAT(TeacherProblems(ConfigWith("reconstruction_kd"), teacher),
              ElementsAre(HasSubstr("the teacher's decoder gives no features")));
  EXPECT_THAT(TeacherProblems(ConfigWith("feature_kd"), teacher), IsEmpty());
}

}  // namespace
}  // namespace slotmatch
