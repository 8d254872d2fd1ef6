#include "core/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Problem(const config::ModelConfig& config) {
  return std::string(ValidateModelConfig(config).message());
}

TEST(ValidateModelConfig, AcceptsDefaultsAndTheTinyModel) {
  EXPECT_TRUE(ValidateModelConfig(config::ModelConfig()).ok());
  EXPECT_TRUE(ValidateModelConfig(TinyModelConfig()).ok());
}

TEST(ValidateModelConfig, ListsEveryProblemNotOnlyTheFirst) {
  config::ModelConfig config = TinyModelConfig();
  config.set_num_slots(255);
  config.set_slot_dim(0);
  config.mutable_encoder()->set_variant("resnet50");
  config.mutable_slot_init()->set_kind("zeros");
  config.mutable_predictor()->set_kind("lstm");
  config.mutable_predictor()->set_num_blocks(0);
  config.mutable_decoder()->set_kind("cnn");
  config.mutable_decoder()->set_hidden_dim(0);
  config.mutable_decoder()->set_num_hidden_layers(0);
  config.mutable_slot_attention()->set_iterations(0);
  EXPECT_EQ(ValidateModelConfig(config).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      Problem(config),
      AllOf(HasSubstr("num_slots 255 is not in 1..254"), HasSubstr("slot_dim 0 is not in 1..4096"),
            HasSubstr("encoder.variant 'resnet50' is unknown"),
            HasSubstr("slot_init.kind 'zeros' is unknown; there are: fixed_learned, random"),
            HasSubstr("predictor.kind 'lstm' is unknown; there are: transformer, none"),
            HasSubstr("decoder.kind 'cnn' is unknown; there are: mlp, slot_mixer"),
            HasSubstr("predictor.num_blocks 0 is not in 1..64"),
            HasSubstr("decoder.hidden_dim 0 is not in 1..65536"),
            HasSubstr("decoder.num_hidden_layers 0 is not in 1..64"),
            HasSubstr("slot_attention.iterations 0 is not in 1..100")));
}

TEST(ValidateModelConfig, HeadsMustDivideTheSlotWidth) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_predictor()->set_num_heads(3);
  EXPECT_EQ(Problem(config), "predictor.num_heads 3 does not divide slot_dim 8");
  config.mutable_predictor()->set_num_heads(0);
  EXPECT_THAT(Problem(config), HasSubstr("predictor.num_heads 0"));
}

TEST(ValidateModelConfig, WithoutPredictorItsNumbersMeanNothing) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_predictor()->set_kind("none");
  config.mutable_predictor()->set_num_heads(3);
  config.mutable_predictor()->set_num_blocks(0);
  EXPECT_TRUE(ValidateModelConfig(config).ok());
}

TEST(ValidateModelConfig, AllocatorIsLookedAtOnlyWhereThereIsOne) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_decoder()->set_allocator_heads(3);
  config.mutable_decoder()->set_allocator_blocks(0);
  EXPECT_TRUE(ValidateModelConfig(config).ok());
  config.mutable_decoder()->set_kind("slot_mixer");
  EXPECT_EQ(Problem(config),
            "decoder.allocator_heads 3 does not divide slot_dim 8; decoder.allocator_blocks 0 is "
            "not in 1..64");
}

TEST(ValidateModelConfig, GroupingHeadNeedsAWidth) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_grouping_head()->set_enabled(true);
  config.mutable_grouping_head()->set_hidden_dim(0);
  EXPECT_THAT(Problem(config), HasSubstr("grouping_head.hidden_dim 0 is not in 1..65536"));
}

TEST(ValidateModelConfig, OverridesMayNotBeNegative) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_encoder()->set_embed_dim(-16);
  EXPECT_THAT(Problem(config), HasSubstr("below 0"));
}

}  // namespace
}  // namespace slotmatch
