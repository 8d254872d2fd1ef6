#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "absl/strings/match.h"
#include "core/model/video_model.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

class ImageModelTest : public testing::Test {
 protected:
  ImageModelTest() {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_slot_init()->set_kind("random");
    config.mutable_predictor()->set_kind("none");
    model_ = MakeTinyModel(config, 28);
  }
  torch::NoGradGuard no_grad_;
  VideoModel model_{nullptr};
};

TEST_F(ImageModelTest, HasNoPredictorAndTheVideoModelsKeys) {
  EXPECT_FALSE(model_->recurrent());
  EXPECT_TRUE(MakeTinyModel(TinyModelConfig(), 28)->recurrent());
  for (const std::string& key : model_->named_parameters().keys()) {
    EXPECT_FALSE(absl::StrContains(key, "predictor")) << key;
  }
  EXPECT_TRUE(model_->named_parameters().contains("processor.module.corrector.to_q.weight"));
}

// Every frame of a clip equals the same picture alone: three iterations from the initial slots.
TEST_F(ImageModelTest, FramesKnowNothingOfEachOther) {
  torch::manual_seed(20);
  const torch::Tensor features = torch::randn({2, 3, 16, 8});
  const SlotState state = model_->InitialState(2, torch::randn({2, 3, 8}));
  const ScanResult scan = model_->Scan(features, state);
  for (int64_t t = 0; t < 3; ++t) {
    const ScanResult alone = model_->Scan(features.slice(1, t, t + 1), state);
    EXPECT_TRUE(torch::equal(alone.slots.select(1, 0), scan.slots.select(1, t)));
    EXPECT_TRUE(torch::equal(alone.attention.select(1, 0), scan.attention.select(1, t)));
    EXPECT_TRUE(torch::equal(scan.slots_predicted.select(1, t), state.slots));
  }
  EXPECT_EQ(scan.last.step, 0);
  EXPECT_TRUE(torch::equal(model_->SkipFrame(state).slots, state.slots));
}

}  // namespace
}  // namespace slotmatch
