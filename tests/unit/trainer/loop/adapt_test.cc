#include "trainer/loop/adapt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/eval/tiny_model_directory.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

TEST(AdaptModel, TakesTheModelInPlaceOfTheRecipes) {
  const std::string directory = WriteTinyModelDirectory(FreshDirectory("adapt"));
  config::TrainConfig config;
  config.mutable_model()->set_num_slots(99);
  config.set_backbone("elsewhere");
  config.mutable_optim()->set_learning_rate(3e-4);
  const absl::Status status = AdaptModel(directory, &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.model().num_slots(), TinyModelConfig().num_slots());
  EXPECT_EQ(config.backbone(), directory);
  EXPECT_EQ(config.init_from(), directory);
  EXPECT_DOUBLE_EQ(config.optim().learning_rate(), 3e-4);
}

TEST(AdaptModel, WhatHasNoSlotsIsRefused) {
  config::TrainConfig config;
  const std::string backbone =
      WriteTinyBackbone(FreshDirectory("adapt_backbone"), TinyModelConfig().encoder(), 1);
  EXPECT_THAT(std::string(AdaptModel(backbone, &config).message()), HasSubstr("is a backbone"));
  EXPECT_EQ(AdaptModel("nowhere/1", &config).code(), absl::StatusCode::kNotFound);
}

TEST(GuessDataset, TellsLayoutsApart) {
  EXPECT_EQ(GuessDataset("samples/moving_solids")->kind(), "davis");
  EXPECT_EQ(GuessDataset("samples/moving_solids/JPEGImages/128p")->kind(), "frames");
  EXPECT_EQ(GuessDataset("samples/cups.mp4")->kind(), "video");
  EXPECT_EQ(GuessDataset("samples")->kind(), "video");
  EXPECT_EQ(GuessDataset("nowhere").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace slotmatch
