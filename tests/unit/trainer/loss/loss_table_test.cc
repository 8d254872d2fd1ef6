#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"
#include "trainer/loss/losses.h"

namespace slotmatch {
namespace {

constexpr int64_t kB = 2, kT = 3, kK = 3, kS = 8, kN = 16, kD = 16, kTeacherD = 12;

config::LossConfig Config(const std::string& name) {
  config::LossConfig config;
  config.set_name(name);
  config.set_position_weight(0.3);
  return config;
}

// Everything a loss can pull on, as float64 leaves. Attention and masks come as logits.
struct Leaves {
  torch::Tensor slots, attention, reconstruction, masks, similarity, features, projected;
  std::vector<torch::Tensor> all() const {
    return {slots, attention, reconstruction, masks, similarity, features, projected};
  }
};

class LossRows : public testing::Test {
 protected:
  LossRows() {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_grouping_head()->set_enabled(true);
    config.mutable_grouping_head()->set_hidden_dim(12);
    model_ = MakeTinyModel(config, 50, WithEncoder::kNo);
    model_->to(torch::kFloat64);
    tokens_ = torch::randn({kB, kT, kN, kD}, torch::kFloat64);
    keys_ = torch::randn({kB, kT, kN, kD}, torch::kFloat64);
    teacher_ = torch::randn({kB, kT, kK, kS}, torch::kFloat64);
    teacher_features_ = torch::randn({kB, kT, kN, kS}, torch::kFloat64);
    teacher_reconstruction_ = torch::randn({kB, kT, kN, kTeacherD}, torch::kFloat64);
    ResetLeaves();
  }

  void ResetLeaves() {
    leaves_ = {Leaf({kB, kT, kK, kS}),       Leaf({kB, kT, kK, kN}), Leaf({kB, kT, kN, kD}),
               Leaf({kB, kT, kK, kN}),       Leaf({kB, kT, kN, kN}), Leaf({kB, kT, kN, kS}),
               Leaf({kB, kT, kN, kTeacherD})};
  }

  static torch::Tensor Leaf(std::vector<int64_t> shape) {
    return torch::randn(shape, torch::kFloat64).set_requires_grad(true);
  }

  LossInputs Inputs() const {
    LossInputs in;
    in.model = model_;
    in.tokens = tokens_;
    in.keys = keys_;
    in.teacher_slots = teacher_;
    in.teacher_features = teacher_features_;
    in.teacher_reconstruction = teacher_reconstruction_;
    in.features = leaves_.features;
    in.projected_reconstruction = leaves_.projected;
    in.scan.slots = leaves_.slots;
    in.scan.attention = leaves_.attention.softmax(2);
    in.decoded = {leaves_.reconstruction, leaves_.masks.softmax(2), leaves_.similarity};
    return in;
  }
  torch::Tensor Value(const LossRow& row) const { return row.function(Inputs(), Config(row.name)); }

  VideoModel model_{nullptr};
  torch::Tensor tokens_, keys_, teacher_, teacher_features_, teacher_reconstruction_;
  Leaves leaves_;
};

TEST_F(LossRows, AreFiniteScalars) {
  for (const LossRow& row : LossTable()) {
    SCOPED_TRACE(row.name);
    const torch::Tensor value = Value(row);
    EXPECT_EQ(value.dim(), 0);
    EXPECT_TRUE(value.isfinite().item<bool>());
    EXPECT_TRUE(value.requires_grad());
  }
}

TEST_F(LossRows, GradientsEqualFiniteDifferences) {
  constexpr double kStep = 1e-5;
  for (const LossRow& row : LossTable()) {
    int checked = 0;
    const auto gradients = torch::autograd::grad({Value(row)}, leaves_.all(), {}, {}, false,
                                                 /*allow_unused=*/true);
    for (size_t leaf = 0; leaf < gradients.size(); ++leaf) {
      if (!gradients[leaf].defined()) continue;
      torch::NoGradGuard no_grad;
      torch::Tensor flat = leaves_.all()[leaf].view({-1});
      const torch::Tensor gradient = gradients[leaf].reshape({-1});
      for (int64_t i = 0; i < flat.numel(); i += 1 + flat.numel() / 20, ++checked) {
        const double kept = flat[i].item<double>();
        flat[i] = kept + kStep;
        const double above = Value(row).item<double>();
        flat[i] = kept - kStep;
        const double below = Value(row).item<double>();
        flat[i] = kept;
        EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 1e-7)
            << row.name << ", leaf " << leaf << ", entry " << i;
      }
    }
    EXPECT_GE(checked, 15) << row.name;
  }
}

TEST_F(LossRows, FallTowardsTheirTargets) {
  for (const LossRow& row : LossTable()) {
    ResetLeaves();
    torch::optim::Adam optimizer(leaves_.all(), torch::optim::AdamOptions(0.1));
    const double before = Value(row).item<double>();
    for (int i = 0; i < 40; ++i) {
      optimizer.zero_grad();
      Value(row).backward();
      optimizer.step();
    }
    EXPECT_LT(Value(row).item<double>(), 0.9 * before) << row.name;
  }
}

TEST_F(LossRows, SubsetOfTokensEqualsTheLossOverThem) {
  torch::NoGradGuard no_grad;
  const torch::Tensor index = torch::tensor({3, 11, 0}, torch::kInt64);
  for (const char* name : {"reconstruction", "mask_follow"}) {
    const LossRow* row = FindLoss(name).value();
    LossInputs some = Inputs();
    some.token_index = index;
    some.decoded = {some.decoded.reconstruction.index_select(2, index),
                    some.decoded.masks.index_select(3, index),
                    {}};
    LossInputs cut = some;
    cut.token_index = torch::Tensor();
    cut.tokens = some.tokens.index_select(2, index);
    cut.scan.attention = some.scan.attention.index_select(3, index);
    EXPECT_NEAR(row->function(some, Config(name)).item<double>(),
                row->function(cut, Config(name)).item<double>(), 1e-12)
        << name;
  }
}

TEST(FindLoss, UnknownNameListsTheRows) {
  const absl::Status status = FindLoss("dice").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "loss 'dice' is unknown; there are: reconstruction, feature_similarity, "
            "slot_contrast, slot_kd, feature_kd, reconstruction_kd, grouping, mask_follow");
}

class LossProblemsTest : public testing::Test {
 protected:
  void Add(const std::string& name, double weight = 1.0) {
    config::LossConfig* loss = config_.add_losses();
    loss->set_name(name);
    loss->set_weight(weight);
  }
  std::vector<std::string> Problems(bool has_teacher = false) const {
    return LossProblems(config_, has_teacher);
  }
  config::TrainConfig config_;
};

TEST_F(LossProblemsTest, NamesWhatEveryLossNeeds) {
  for (const LossRow& row : LossTable()) Add(row.name);
  config_.mutable_data()->set_clip_frames(1);
  EXPECT_THAT(
      Problems(),
      testing::ElementsAre("loss 'feature_similarity' needs model.decoder.outputs with similarity",
                           "loss 'feature_similarity' needs data.clip_frames of at least 2",
                           "loss 'slot_contrast' needs data.clip_frames of at least 2",
                           "loss 'slot_kd' needs a teacher: set teacher.path",
                           "loss 'feature_kd' needs a teacher: set teacher.path",
                           "loss 'reconstruction_kd' needs a teacher: set teacher.path",
                           "loss 'grouping' needs model.grouping_head.enabled = true"));
  config_.mutable_data()->set_clip_frames(2);
  config_.mutable_model()->mutable_grouping_head()->set_enabled(true);
  config_.mutable_model()->mutable_decoder()->set_outputs(config::DecoderConfig::SIMILARITY);
  EXPECT_THAT(
      Problems(true),
      testing::ElementsAre("loss 'reconstruction' needs model.decoder.outputs with features",
                           "loss 'reconstruction_kd' needs model.decoder.outputs with features"));
}

TEST_F(LossProblemsTest, ALossIsThereOnce) {
  Add("reconstruction");
  Add("reconstruction", 0.5);
  EXPECT_THAT(Problems(), testing::ElementsAre("loss 'reconstruction' is there twice"));
}

TEST_F(LossProblemsTest, LossOfWeightZeroNeedsNothing) {
  Add("reconstruction");
  Add("slot_kd", 0.0);
  Add("feature_similarity", 0.0);
  EXPECT_THAT(Problems(), testing::IsEmpty());
  EXPECT_TRUE(AnyLossNeeds(config_, kNeedsReconstruction));
  EXPECT_FALSE(AnyLossNeeds(config_, kNeedsTeacher));
  EXPECT_FALSE(AnyLossNeeds(config_, kNeedsKeys));
}

TEST_F(LossProblemsTest, SomethingHasToBeLeft) {
  EXPECT_THAT(Problems(), testing::ElementsAre("losses: none is configured"));
  Add("reconstruction", 0.0);
  EXPECT_THAT(Problems(), testing::ElementsAre("losses: every weight is 0"));
  Add("dice", 0.0);
  EXPECT_THAT(Problems(), testing::ElementsAre(testing::HasSubstr("loss 'dice' is unknown")));
}

}  // namespace
}  // namespace slotmatch
