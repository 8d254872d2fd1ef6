#include "trainer/loop/resize_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/model_io.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"
#include "trainer/loop/model_writer.h"

namespace slotmatch {
namespace {

class ResizeModelTest : public testing::Test {
 protected:
  ResizeModelTest() {
    ModelToWrite model;
    model.directory = from_;
    model.config.set_role("student");
    *model.config.mutable_model() = TinyModelConfig();
    model.config.set_backbone(
        WriteTinyBackbone(root_ + "/models", model.config.model().encoder(), 7));
    model.provenance.set_seed(42);
    model.provenance.add_scores()->set_value(0.5);
    model.tensors = NamedTensors(*MakeTinyModel(TinyModelConfig(), 8, WithEncoder::kNo), {});
    EXPECT_TRUE(WriteModel(model).ok());
  }

  const std::string root_ = FreshDirectory("resize_model");
  const std::string from_ = root_ + "/models/tiny/1", to_ = root_ + "/models/tiny_84/1";
};

TEST_F(ResizeModelTest, TheResultSegmentsAtItsSizeWithTheSameWeights) {
  config::Provenance measured;
  measured.add_scores()->set_value(0.25);
  ASSERT_THAT(ResizeModel(from_, 84, to_, measured), IsOk());
  PartCache parts;
  const auto before = OpenModelDirectory(from_, &parts), after = OpenModelDirectory(to_, &parts);
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->manifest.name(), "tiny_84");
  EXPECT_EQ(after->manifest.role(), "student");
  EXPECT_EQ(after->manifest.parts(0).sha256(), before->manifest.parts(0).sha256());
  EXPECT_EQ(after->manifest.provenance().seed(), 42);
  ASSERT_EQ(after->manifest.provenance().scores_size(), 1) << "the others are the other size's";
  EXPECT_EQ(after->manifest.provenance().scores(0).value(), 0.25);
  VideoModel model = LoadVideoModel(*after).value();
  EXPECT_EQ(model->grid_height(), 6);
  const torch::Tensor features = model->Transform(model->Encode(torch::zeros({1, 3, 84, 84})));
  EXPECT_EQ(model->Step(features, model->InferenceState(1)).attention.size(-1), 36);
  EXPECT_TRUE(BitIdentical(ToTorch(*after->Find("initializer.slots")),
                           ToTorch(*before->Find("initializer.slots"))));
}

TEST_F(ResizeModelTest, SizesBetweenPatchesAreRefused) {
  EXPECT_THAT(ResizeModel(from_, 85, to_),
              FailsWith(absl::StatusCode::kFailedPrecondition, "multiple"));
  EXPECT_THAT(ResizeModel(from_, -1, to_), FailsWith(absl::StatusCode::kFailedPrecondition, ""));
}

}  // namespace
}  // namespace slotmatch
