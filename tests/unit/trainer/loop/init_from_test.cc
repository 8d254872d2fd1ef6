#include "trainer/loop/init_from.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "trainer/loop/model_writer.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kEncoderPosition[] = "encoder.module.position";
constexpr char kDecoderPosition[] = "decoder.module.pos_emb";

class InitFromTest : public testing::Test {
 protected:
  InitFromTest() {
    ModelToWrite model;
    model.directory = root_ + "/models/tiny/1";
    model.config.set_name("tiny");
    model.config.set_role("teacher");
    config_.mutable_feature_transform()->set_learned_position(true);
    *model.config.mutable_model() = config_;
    model.config.set_backbone(WriteTinyBackbone(root_ + "/models", config_.encoder(), 7));
    source_ = MakeTinyModel(config_, 8, WithEncoder::kNo);
    // One row for all tokens: resampling keeps it, on whatever grid.
    Fill(&source_, kEncoderPosition, 0.25);
    Fill(&source_, kDecoderPosition, -0.5);
    model.tensors = NamedTensors(*source_, {});
    EXPECT_TRUE(WriteModel(model).ok());
    directory_ = model.directory;
  }
  static void Fill(VideoModel* model, const std::string& key, double value) {
    torch::NoGradGuard no_grad;
    (*model)->named_parameters()[key].fill_(value);
  }
  VideoModel Target() { return MakeTinyModel(config_, 9, WithEncoder::kNo); }

  const std::string root_ = FreshDirectory("init_from");
  config::ModelConfig config_ = TinyModelConfig();
  VideoModel source_{nullptr};
  PartCache parts_;
  std::string directory_;
};

TEST_F(InitFromTest, CopiesWhatHasTheSameShape) {
  VideoModel target = Target();
  const absl::StatusOr<InitReport> report = InitFrom(directory_, &parts_, &target);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto expected = NamedTensors(*source_, {});
  EXPECT_EQ(report->copied, static_cast<int64_t>(expected.size()));
  EXPECT_THAT(report->resampled, IsEmpty());
  EXPECT_THAT(report->missing, IsEmpty());
  for (const auto& [key, tensor] : NamedTensors(*target, {})) {
    EXPECT_TRUE(BitIdentical(tensor, expected.at(key))) << key;
  }
}

TEST_F(InitFromTest, ResamplesPositionsOfAnotherGrid) {
  config_.mutable_encoder()->set_input_height_px(84);
  config_.mutable_encoder()->set_input_width_px(84);
  VideoModel target = Target();
  const absl::StatusOr<InitReport> report = InitFrom(directory_, &parts_, &target);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->resampled, UnorderedElementsAre(kEncoderPosition, kDecoderPosition));
  EXPECT_THAT(report->missing, IsEmpty());
  const torch::Tensor position = target->named_parameters()[kEncoderPosition];
  EXPECT_EQ(position.size(1), 36);
  EXPECT_LT(MaxDifference(position, torch::full_like(position, 0.25)), 1e-6);
  const torch::Tensor decoder = target->named_parameters()[kDecoderPosition];
  EXPECT_LT(MaxDifference(decoder, torch::full_like(decoder, -0.5)), 1e-6);
}

TEST_F(InitFromTest, LeavesWhatDoesNotFitAndNamesIt) {
  config_.set_num_slots(config_.num_slots() + 1);
  VideoModel target = Target();
  const absl::StatusOr<InitReport> report = InitFrom(directory_, &parts_, &target);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->missing, ElementsAre("initializer.slots"));
}

TEST_F(InitFromTest, MissingModelIsAnError) {
  VideoModel target = Target();
  EXPECT_EQ(InitFrom(root_ + "/models/none/1", &parts_, &target).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace slotmatch
