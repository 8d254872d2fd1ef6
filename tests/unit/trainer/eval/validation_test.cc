#include "trainer/eval/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/image/image.h"
#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

class ValidationTest : public testing::Test {
 protected:
  ValidationTest() {
    *config_.mutable_model() = TinyModelConfig();
    config_.set_name("tiny");
    config_.set_backbone(
        WriteTinyBackbone(FreshDirectory("validation"), config_.model().encoder(), 80));
    config_.mutable_validation()->mutable_dataset()->set_path("samples/moving_solids");
    config_.mutable_validation()->mutable_dataset()->set_split("val");
    config_.mutable_validation()->set_max_videos(1);
  }
  config::TrainConfig config_;
};

TEST_F(ValidationTest, ScoresAModelWithTheSameTensorsTheSame) {
  const auto validator = MakeValidator(config_);
  ASSERT_TRUE(validator.ok()) << validator.status();
  const auto one = NamedTensors(*MakeTinyModel(config_.model(), 1, WithEncoder::kNo), {});
  const auto two = NamedTensors(*MakeTinyModel(config_.model(), 2, WithEncoder::kNo), {});
  const auto first = (*validator)->Score(one);
  ASSERT_TRUE(first.ok()) << first.status();
  for (const char* metric : {"image_fg_ari", "video_fg_ari", "image_mbo", "video_mbo"}) {
    ASSERT_EQ(first->count(metric), 1u) << metric;
    EXPECT_LE(first->at(metric), 1.0);
  }
  EXPECT_NE((*validator)->Score(two).value(), *first);
  EXPECT_EQ((*validator)->Score(one).value(), *first);
}

TEST_F(ValidationTest, ShowsTheMasksOfTheFirstVideos) {
  const auto validator = MakeValidator(config_).value();
  const auto tensors = NamedTensors(*MakeTinyModel(config_.model(), 1, WithEncoder::kNo), {});
  EXPECT_TRUE(validator->Pictures().empty()) << "nothing was scored yet";
  ASSERT_TRUE(validator->Score(tensors).ok());
  const auto pictures = validator->Pictures();
  ASSERT_EQ(pictures.size(), 1u) << "max_videos";
  for (const auto& [video, png] : pictures) EXPECT_TRUE(ProbeImage(png).ok()) << video;
}

TEST_F(ValidationTest, WithoutADatasetThereIsNone) {
  config_.clear_validation();
  EXPECT_EQ(MakeValidator(config_).value(), nullptr);
}

TEST_F(ValidationTest, WhatCannotBeScoredIsRefused) {
  config_.mutable_validation()->set_keep_best("beauty");
  EXPECT_THAT(std::string(MakeValidator(config_).status().message()), HasSubstr("'beauty'"));
  config_.mutable_validation()->clear_keep_best();
  config_.mutable_validation()->mutable_dataset()->set_kind("frames");
  config_.mutable_validation()->mutable_dataset()->set_path(
      "samples/moving_solids/JPEGImages/128p");
  EXPECT_THAT(std::string(MakeValidator(config_).status().message()),
              HasSubstr("has no labelled video"));
}

}  // namespace
}  // namespace slotmatch
