#include "core/model/video_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "absl/strings/match.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

torch::Tensor Features(int64_t batch, int64_t frames) {
  torch::manual_seed(20);
  return torch::randn({batch, frames, 16, 8});
}

int64_t Count(const std::vector<torch::Tensor>& parameters) {
  int64_t count = 0;
  for (const torch::Tensor& parameter : parameters) count += parameter.numel();
  return count;
}

class VideoModelTest : public testing::Test {
 protected:
  torch::NoGradGuard no_grad_;
  VideoModel model_ = MakeTinyModel(TinyModelConfig(), 21);
};

// Trainable parameters of the published models, heads only: the frozen backbone is not allocated.
TEST(VideoModel, ParameterCountsAreThePublishedOnes) {
  struct Row {
    const char* name;
    const char* variant;
    int slots, slot_dim, side_px;
    int64_t trainable;
  };
  constexpr char kBase[] = "vit_base_patch14_dinov2", kSmall[] = "vit_small_patch14_dinov2";
  for (const Row& row :
       {Row{"ytvis B", kBase, 7, 64, 518, 4'443'841}, Row{"ytvis S", kSmall, 7, 64, 518, 3'114'817},
        Row{"movi_e B", kBase, 15, 128, 336, 4'953'601},
        Row{"movi_e S", kSmall, 15, 128, 336, 3'575'425},
        Row{"movi_c B", kBase, 11, 64, 336, 4'393'345},
        Row{"movi_c S", kSmall, 11, 64, 336, 3'064'321},
        Row{"davis B", kBase, 4, 128, 336, 4'952'193},
        Row{"davis S", kSmall, 4, 128, 336, 3'574'017}}) {
    SCOPED_TRACE(row.name);
    config::ModelConfig config;
    config.set_num_slots(row.slots);
    config.set_slot_dim(row.slot_dim);
    config.mutable_encoder()->set_variant(row.variant);
    config.mutable_encoder()->set_input_height_px(row.side_px);
    config.mutable_encoder()->set_input_width_px(row.side_px);
    EXPECT_EQ(Count(VideoModel(config, WithEncoder::kNo)->parameters()), row.trainable);
  }
}

TEST(VideoModel, OnlyTheBackboneIsFrozen) {
  VideoModel model = MakeTinyModel(TinyModelConfig(), 22);
  for (const auto& item : model->named_parameters()) {
    EXPECT_EQ(item.value().requires_grad(),
              !absl::StartsWith(item.key(), "encoder.module.backbone."))
        << item.key();
  }
  EXPECT_EQ(Count(model->TrainableParameters()),
            Count(MakeTinyModel(TinyModelConfig(), 22, WithEncoder::kNo)->parameters()));
  EXPECT_FALSE(model->Encode(torch::randn({1, 3, 56, 56})).requires_grad());
}

// The VideoSAUR decoder inside the whole model, with DINO's backbone.
TEST(VideoModel, RunsWithSlotMixerAndDino) {
  torch::NoGradGuard no_grad;
  config::ModelConfig config = TinyModelConfig();
  config.mutable_encoder()->set_variant("vit_base_patch8_224_dino");
  config.mutable_decoder()->set_kind("slot_mixer");
  config.mutable_decoder()->set_outputs(config::DecoderConfig::SIMILARITY);
  VideoModel model = MakeTinyModel(config, 29);
  const torch::Tensor tokens = model->Encode(torch::randn({1, 3, 56, 56}));
  ASSERT_EQ(tokens.sizes().vec(), (std::vector<int64_t>{1, 49, 16}));
  const StepResult step = model->Step(model->Transform(tokens), model->InitialState(1));
  const DecodeResult decoded = model->Decode(step.slots);
  EXPECT_FALSE(decoded.reconstruction.defined());
  EXPECT_EQ(decoded.similarity.sizes().vec(), (std::vector<int64_t>{1, 49, 49}));
  EXPECT_TRUE(torch::equal(model->DecodeMasks(step.slots), decoded.masks));
}

// Every combination of table rows, and every optional part.
TEST(VideoModel, EveryOptionRunsFromFramesToMasks) {
  torch::NoGradGuard no_grad;
  for (const char* init : {"fixed_learned", "random"}) {
    for (const config::TargetNormalization norm :
         {config::NONE, config::PER_CHANNEL, config::COSINE}) {
      config::ModelConfig config = TinyModelConfig();
      config.mutable_slot_init()->set_kind(init);
      config.set_target_normalization(norm);
      config.mutable_feature_transform()->set_learned_position(norm != config::NONE);
      config.mutable_slot_attention()->set_use_mlp(norm == config::NONE);
      config.mutable_encoder()->set_input_width_px(28);  // a grid of 4 x 2
      VideoModel model = MakeTinyModel(config, 23);
      const torch::Tensor tokens =
          model->NormalizeTokens(model->Encode(torch::randn({2, 3, 56, 28})));
      ASSERT_EQ(tokens.sizes().vec(), (std::vector<int64_t>{2, 8, 16}));
      const StepResult step = model->Step(model->Transform(tokens), model->InitialState(2));
      const DecodeResult decoded = model->Decode(step.slots);
      EXPECT_EQ(step.slots.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
      EXPECT_EQ(step.attention.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
      EXPECT_EQ(decoded.masks.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
      EXPECT_EQ(decoded.reconstruction.sizes().vec(), (std::vector<int64_t>{2, 8, 16}));
      EXPECT_TRUE(decoded.reconstruction.isfinite().all().item<bool>());
    }
  }
}

TEST_F(VideoModelTest, StreamingEqualsTheWholeClip) {
  const torch::Tensor features = Features(2, 4);
  const ScanResult scan = model_->Scan(features, model_->InitialState(2));
  SlotState state = model_->InitialState(2);
  for (int64_t t = 0; t < 4; ++t) {
    const StepResult step = model_->Step(features.select(1, t).contiguous(), state);
    EXPECT_TRUE(torch::equal(step.slots, scan.slots.select(1, t)));
    EXPECT_TRUE(torch::equal(step.attention, scan.attention.select(1, t)));
    EXPECT_TRUE(torch::equal(step.next.slots, scan.slots_predicted.select(1, t)));
    state = step.next;
  }
  EXPECT_EQ(scan.last.step, 4);
  EXPECT_TRUE(torch::equal(scan.last.slots, state.slots));
}

TEST_F(VideoModelTest, BatchEqualsItsParts) {
  const torch::Tensor features = Features(3, 3);
  const ScanResult all = model_->Scan(features, model_->InitialState(3));
  const DecodeResult decoded = model_->Decode(all.slots);
  for (int64_t b = 0; b < 3; ++b) {
    const ScanResult one = model_->Scan(features.slice(0, b, b + 1), model_->InitialState(1));
    EXPECT_LT(MaxDifference(one.slots[0], all.slots[b]), 1e-5);
    EXPECT_LT(MaxDifference(one.attention[0], all.attention[b]), 1e-5);
    EXPECT_LT(MaxDifference(model_->Decode(one.slots).reconstruction[0], decoded.reconstruction[b]),
              1e-5);
  }
}

TEST_F(VideoModelTest, SlotsPermuteConsistently) {
  const torch::Tensor features = Features(1, 3);
  const torch::Tensor order = torch::tensor({2, 0, 1}, torch::kInt64);
  const ScanResult plain = model_->Scan(features, model_->InitialState(1));
  torch::Tensor slots = model_->named_parameters()["initializer.slots"];
  slots.copy_(slots.index_select(1, order));
  const ScanResult moved = model_->Scan(features, model_->InitialState(1));
  EXPECT_LT(MaxDifference(moved.slots, plain.slots.index_select(2, order)), 1e-4);
  EXPECT_LT(MaxDifference(model_->DecodeMasks(moved.slots),
                          model_->DecodeMasks(plain.slots).index_select(2, order)),
            1e-4);
  EXPECT_LT(MaxDifference(model_->Decode(moved.slots).reconstruction,
                          model_->Decode(plain.slots).reconstruction),
            1e-4);
}

// The paper lists two iterations; the reference runs three on the first frame.
TEST_F(VideoModelTest, FirstFrameTakesThreeIterationsAndLaterOnesTwo) {
  const torch::Tensor features = Features(1, 2);
  const auto with = [&](int first, int later) {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_slot_attention()->set_first_frame_iterations(first);
    config.mutable_slot_attention()->set_iterations(later);
    return MakeTinyModel(config, 21)->Scan(features, model_->InitialState(1)).slots;
  };
  const torch::Tensor slots = model_->Scan(features, model_->InitialState(1)).slots;
  EXPECT_TRUE(torch::equal(slots, with(3, 2)));
  EXPECT_TRUE(torch::equal(slots.select(1, 0), with(3, 3).select(1, 0)));
  EXPECT_GT(MaxDifference(slots.select(1, 1), with(3, 3).select(1, 1)), 1e-6);
  EXPECT_GT(MaxDifference(slots.select(1, 0), with(2, 2).select(1, 0)), 1e-6);
}

// Losses and decoder see corrected slots; the predictor only feeds the next frame.
TEST_F(VideoModelTest, PredictorDoesNotTouchItsOwnFrame) {
  const torch::Tensor features = Features(1, 3);
  const ScanResult before = model_->Scan(features, model_->InitialState(1));
  model_->named_parameters()["processor.module.predictor.blocks.0.linear2.bias"].add_(
      torch::arange(8, torch::kFloat32));
  const ScanResult after = model_->Scan(features, model_->InitialState(1));
  EXPECT_TRUE(torch::equal(after.slots.select(1, 0), before.slots.select(1, 0)));
  EXPECT_GT(MaxDifference(after.slots.select(1, 1), before.slots.select(1, 1)), 1e-5);
  EXPECT_GT(MaxDifference(after.slots_predicted.select(1, 0), before.slots_predicted.select(1, 0)),
            0.1);
}

TEST_F(VideoModelTest, RandomInitResamplesInEvaluationUnlessNoiseIsGiven) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_slot_init()->set_kind("random");
  VideoModel model = MakeTinyModel(config, 24);
  model->eval();
  EXPECT_GT(MaxDifference(model->InitialState(1).slots, model->InitialState(1).slots), 0.01);
  const torch::Tensor noise = torch::randn({1, 3, 8});
  EXPECT_TRUE(
      torch::equal(model->InitialState(1, noise).slots, model->InitialState(1, noise).slots));
}

TEST_F(VideoModelTest, DrawnNoiseIsAFunctionOfTheSeed) {
  EXPECT_FALSE(model_->DrawNoise(2, 5).defined());  // fixed slots take none
  config::ModelConfig config = TinyModelConfig();
  config.mutable_slot_init()->set_kind("random");
  const VideoModel model = MakeTinyModel(config, 24), other = MakeTinyModel(config, 25);
  const torch::Tensor noise = model->DrawNoise(2, 5);
  torch::manual_seed(99);
  EXPECT_TRUE(torch::equal(other->DrawNoise(2, 5), noise));
  EXPECT_EQ(noise.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
  EXPECT_GT(MaxDifference(noise[0], noise[1]), 0.01);
  EXPECT_GT(MaxDifference(model->DrawNoise(2, 6), noise), 0.01);
}

TEST_F(VideoModelTest, InferenceStateIsAlwaysTheSame) {
  for (const char* init : {"fixed_learned", "random"}) {
    config::ModelConfig config = TinyModelConfig();
    config.mutable_slot_init()->set_kind(init);
    VideoModel model = MakeTinyModel(config, 24);
    const SlotState one = model->InferenceState(1), three = model->InferenceState(3);
    EXPECT_EQ(three.slots.sizes().vec(), (std::vector<int64_t>{3, 3, 8}));
    EXPECT_TRUE(torch::equal(three.slots, one.slots.expand({3, -1, -1}))) << init;
    EXPECT_GT(MaxDifference(one.slots[0][0], one.slots[0][1]), 0.01) << init;
    EXPECT_EQ(one.step, 0);
  }
}

TEST_F(VideoModelTest, NormsUseTheReferencesEps) {
  for (const auto& item : model_->named_modules()) {
    if (const auto* norm = item.value()->as<torch::nn::LayerNorm>()) {
      const bool vit = absl::StrContains(item.key(), "backbone");
      EXPECT_EQ(norm->options.eps(), vit ? 1e-6 : 1e-5) << item.key();
    }
  }
}

TEST_F(VideoModelTest, SkippedFrameRunsThePredictorAlone) {
  const SlotState state = model_->Step(Features(1, 1)[0], model_->InitialState(1)).next;
  const SlotState skipped = model_->SkipFrame(state);
  EXPECT_EQ(skipped.step, 2);
  EXPECT_GT(MaxDifference(skipped.slots, state.slots), 1e-4);
}

TEST_F(VideoModelTest, StepDoesNotChangeTheStateItWasGiven) {
  const SlotState state = model_->InitialState(1);
  const torch::Tensor before = state.slots.clone();
  model_->Step(Features(1, 1)[0], state);
  EXPECT_TRUE(torch::equal(state.slots, before));
  EXPECT_EQ(state.step, 0);
}

TEST_F(VideoModelTest, TransformAddsTheLearnedPosition) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_feature_transform()->set_learned_position(true);
  VideoModel model = MakeTinyModel(config, 25);
  const torch::Tensor tokens = torch::randn({1, 2, 16, 16});
  const torch::Tensor with = model->Transform(tokens);
  torch::Tensor position = model->named_parameters()["encoder.module.position"];
  const torch::Tensor kept = position.clone();
  position.zero_();
  EXPECT_LT(MaxDifference(with, model->Transform(tokens) + kept), 1e-6);
}

TEST_F(VideoModelTest, NormalisationFollowsTheConfig) {
  const torch::Tensor tokens = torch::randn({2, 16, 16}) * 3 + 5;
  const torch::Tensor mean = torch::full({16}, 5.0), std = torch::full({16}, 3.0);
  EXPECT_TRUE(torch::equal(model_->NormalizeTokens(tokens), tokens));
  config::ModelConfig config = TinyModelConfig();
  config.set_target_normalization(config::PER_CHANNEL);
  VideoModel channel = MakeTinyModel(config, 26);
  channel->SetTokenStatistics(mean, std);
  EXPECT_LT(MaxDifference(channel->NormalizeTokens(tokens), (tokens - 5) / 3), 1e-5);
  config.set_target_normalization(config::COSINE);
  VideoModel cosine = MakeTinyModel(config, 26);
  cosine->SetTokenStatistics(mean, std);
  const torch::Tensor lengths = cosine->NormalizeTokens(tokens).norm(2, -1);
  EXPECT_LT(MaxDifference(lengths, torch::full_like(lengths, 4.0)), 1e-4);  // sqrt(D)
}

TEST_F(VideoModelTest, ConstantChannelsDoNotDivideByZero) {
  config::ModelConfig config = TinyModelConfig();
  config.set_target_normalization(config::COSINE);
  VideoModel model = MakeTinyModel(config, 27);
  model->SetTokenStatistics(torch::zeros({16}), torch::zeros({16}));
  EXPECT_TRUE(model->NormalizeTokens(torch::zeros({1, 16, 16})).isfinite().all().item<bool>());
}

TEST_F(VideoModelTest, ShapeErrorsNameLettersAndSizes) {
  EXPECT_THAT(MessageThrownBy([&] {
                model_->Encode(torch::zeros({1, 3, 56, 70}));
              }),
              HasSubstr("frames: expected [B, C=3, H=56, W=56], got [1, 3, 56, 70]"));
  EXPECT_THAT(MessageThrownBy([&] {
                model_->Scan(torch::zeros({1, 2, 15, 8}), model_->InitialState(1));
              }),
              HasSubstr("features: expected [B, T, N=16, S=8], got [1, 2, 15, 8]"));
  EXPECT_THAT(MessageThrownBy([&] {
                model_->NormalizeTokens(torch::zeros({1, 16, 15}));
              }),
              HasSubstr("tokens: expected [..., D=16], got [1, 16, 15]"));
  EXPECT_THAT(MessageThrownBy([&] {
                model_->Transform(torch::zeros({1, 9, 16}));
              }),
              HasSubstr("tokens: expected [..., N=16, D], got [1, 9, 16]"));
  EXPECT_THAT(MessageThrownBy([&] {
                model_->GroupingPrototypes(torch::zeros({1, 3, 8}));
              }),
              HasSubstr("grouping_head.enabled is false"));
}

TEST_F(VideoModelTest, HeadOnlyModelRefusesToEncode) {
  VideoModel head = MakeTinyModel(TinyModelConfig(), 28, WithEncoder::kNo);
  EXPECT_TRUE(head->backbone().is_empty());
  EXPECT_THAT(MessageThrownBy([&] {
                head->Encode(torch::zeros({1, 3, 56, 56}));
              }),
              HasSubstr("built without its encoder"));
}

}  // namespace
}  // namespace slotmatch
