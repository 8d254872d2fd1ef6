#include "trainer/loop/train_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "trainer/loop/model_writer.h"

namespace slotmatch {
namespace {

class TrainDataTest : public testing::Test {
 protected:
  TrainDataTest() {
    *config_.mutable_model() = TinyModelConfig();
    config_.set_backbone(WriteTinyBackbone(root_ + "/repository", config_.model().encoder(), 95));
    config_.mutable_data()->add_datasets()->set_path("samples/moving_solids");
    config_.mutable_data()->set_batch_clips(2);
    config_.mutable_data()->set_feature_cache_dir(root_ + "/cache");
  }
  absl::StatusOr<Backbone> Load(const std::string& directory) {
    const absl::StatusOr<ModelFiles> files = OpenModelDirectory(directory, &parts_);
    if (!files.ok()) return files.status();
    return LoadBackbone(*files, config_.model(), {});
  }

  std::string root_ = FreshDirectory("train_data");
  PartCache parts_;
  config::TrainConfig config_;
};

TEST_F(TrainDataTest, ServesClipsOfTheBackbonesTokens) {
  const Backbone backbone = Load(config_.backbone()).value();
  const auto data = TrainData::Open(config_, {backbone});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ((*data)->Description(), "2 videos, 16 frames of moving_solids");
  const ClipBatch batch = (*data)->sampler().Batch(0);
  ASSERT_EQ(batch.tokens.size(), 1u);
  EXPECT_EQ(batch.tokens[0].sizes().vec(), (std::vector<int64_t>{2, 4, 16, 16}));
  EXPECT_TRUE(batch.tokens[0].isfinite().all().item<bool>());
}

TEST_F(TrainDataTest, EncodersOfTwoSizesGiveTwoViews) {
  const Backbone student = Load(config_.backbone()).value();
  config_.mutable_model()->mutable_encoder()->set_input_width_px(70);
  config_.mutable_model()->mutable_encoder()->set_depth(1);
  const Backbone teacher = Load(config_.backbone()).value();
  EXPECT_NE(student.extractor.digest, teacher.extractor.digest);
  const auto data = TrainData::Open(config_, {student, teacher}).value();
  const ClipBatch batch = data->sampler().Batch(0);
  ASSERT_EQ(batch.tokens.size(), 2u);
  EXPECT_EQ(batch.tokens[1].sizes().vec(), (std::vector<int64_t>{2, 4, 20, 16}));
}

TEST_F(TrainDataTest, KeysAreAViewOfTheirOwn) {
  const Backbone tokens = Load(config_.backbone()).value(), keys = KeysOf(tokens);
  EXPECT_NE(keys.extractor.digest, tokens.extractor.digest);
  const torch::Tensor frames = torch::randn({1, 3, 56, 56});
  Vit vit = tokens.vit;
  EXPECT_TRUE(torch::equal(keys.extractor.encode(frames), vit->Features(frames).keys));
  const auto data = TrainData::Open(config_, {tokens, keys}).value();
  const ClipBatch batch = data->sampler().Batch(0);
  ASSERT_EQ(batch.tokens.size(), 2u);
  EXPECT_EQ(batch.tokens[1].sizes().vec(), (std::vector<int64_t>{2, 4, 16, 16}));
  EXPECT_GT(MaxDifference(batch.tokens[0], batch.tokens[1]), 1e-3);
}

TEST_F(TrainDataTest, CropsAreDrawnLikeVideosOfTheirOwn) {
  config_.mutable_data()->mutable_crop()->set_kind(config::RandomCrop::RESIZED);
  config_.mutable_data()->set_crop_variants(3);
  config_.mutable_data()->set_clip_frames(8);
  config_.mutable_data()->set_horizontal_flip(0);
  config_.mutable_data()->set_batch_clips(64);
  const auto data = TrainData::Open(config_, {Load(config_.backbone()).value()});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ((*data)->Description(), "2 videos, 16 frames of moving_solids in 3 crops each");
  std::vector<torch::Tensor> kinds;
  const torch::Tensor clips = (*data)->sampler().Batch(0).tokens[0];
  for (int64_t b = 0; b < clips.size(0); ++b) {
    const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const torch::Tensor& kind) {
      return torch::equal(kind, clips[b]);
    });
    if (!known) kinds.push_back(clips[b]);
  }
  EXPECT_EQ(kinds.size(), 6u);
}

TEST_F(TrainDataTest, StatisticsAreMeanAndDeviationOfTheSample) {
  const auto data = TrainData::Open(config_, {Load(config_.backbone()).value()}).value();
  const auto [mean, std] = data->TokenStatistics(0);
  EXPECT_EQ(mean.sizes().vec(), (std::vector<int64_t>{16}));
  EXPECT_GT(std.min().item<float>(), 0.0F);
  // 2 videos, frames 0 and 6, tokens 0, 7, 14 of each: against the two-pass formula.
  std::vector<torch::Tensor> sample;
  config_.mutable_data()->set_clip_frames(8);
  config_.mutable_data()->set_horizontal_flip(0);
  config_.mutable_data()->set_batch_clips(16);
  const auto whole = TrainData::Open(config_, {Load(config_.backbone()).value()}).value();
  const torch::Tensor clips = whole->sampler().Batch(0).tokens[0];  // [16, 8, 16, 16]
  const torch::Tensor first = clips[0];
  for (int64_t b = 0; b < 16 && sample.size() < 2; ++b) {
    if (b == 0 || !torch::equal(clips[b], first)) sample.push_back(clips[b]);
  }
  ASSERT_EQ(sample.size(), 2u);
  const torch::Tensor tokens = torch::stack(sample)
                                   .slice(1, 0, 8, 6)
                                   .slice(2, 0, 16, 7)
                                   .reshape({-1, 16})
                                   .to(torch::kFloat64);
  EXPECT_EQ(tokens.size(0), 12);
  EXPECT_LT(MaxDifference(mean, tokens.mean(0)), 1e-5);
  EXPECT_LT(MaxDifference(std, tokens.std(0, /*unbiased=*/false)), 1e-4);
}

TEST_F(TrainDataTest, BackboneOfAWholeModelIsTheSame) {
  ModelToWrite model;
  model.directory = root_ + "/repository/tiny/1";
  model.config = config_;
  model.tensors = NamedTensors(*MakeTinyModel(config_.model(), 96, WithEncoder::kNo), {});
  ASSERT_TRUE(WriteModel(model).ok());
  const Backbone alone = Load(config_.backbone()).value();
  const absl::StatusOr<Backbone> inside = Load(model.directory);
  ASSERT_TRUE(inside.ok()) << inside.status();
  EXPECT_EQ(inside->extractor.digest, alone.extractor.digest);  // one cache for both
  const torch::Tensor frames = torch::randn({1, 3, 56, 56});
  EXPECT_TRUE(torch::equal(inside->extractor.encode(frames), alone.extractor.encode(frames)));
}

TEST_F(TrainDataTest, BackboneOfAnotherWidthIsDataLossNamingIt) {
  config_.mutable_model()->mutable_encoder()->set_embed_dim(32);
  const absl::Status status = Load(config_.backbone()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("tiny_vit/1"));
}

}  // namespace
}  // namespace slotmatch
