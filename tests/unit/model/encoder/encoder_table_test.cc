#include "core/model/encoder/encoder_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

config::EncoderConfig Variant(const std::string& name) {
  config::EncoderConfig config;
  config.set_variant(name);
  return config;
}

std::string Problem(const config::EncoderConfig& config) {
  return std::string(EncoderShape(config).status().message());
}

int64_t CountParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

TEST(EncoderTable, EveryRowBuildsTinyAndRuns) {
  torch::NoGradGuard no_grad;
  for (const EncoderRow& row : EncoderTable()) {
    SCOPED_TRACE(row.name);
    config::EncoderConfig config = Variant(row.name);
    config.set_embed_dim(16);
    config.set_num_heads(2);
    config.set_depth(1);
    config.set_pos_grid(3);
    const absl::StatusOr<VitShape> shape = EncoderShape(config);
    ASSERT_TRUE(shape.ok()) << shape.status();
    const int64_t side = 2 * shape->patch_px;
    const torch::Tensor tokens = Vit(*shape)->forward(torch::randn({1, 3, side, side}));
    EXPECT_EQ(tokens.sizes().vec(), (std::vector<int64_t>{1, 4, 16}));
    EXPECT_TRUE(tokens.isfinite().all().item<bool>());
  }
}

TEST(EncoderTable, EveryRowFitsItself) {
  for (const EncoderRow& row : EncoderTable()) {
    const absl::StatusOr<VitShape> shape = EncoderShape(Variant(row.name));
    ASSERT_TRUE(shape.ok()) << shape.status();
    EXPECT_EQ(shape->dim, row.shape.dim);
    EXPECT_EQ(shape->depth, row.shape.depth);
    EXPECT_EQ(shape->heads, row.shape.heads);
  }
}

// A whole backbone is not allocated: all blocks are alike.
TEST(EncoderTable, ParameterCountsAreThePublishedOnes) {
  struct Row {
    const char* variant;
    int64_t per_block, total;
  };
  for (const Row& row : {Row{"vit_small_patch14_dinov2", 1'775'232, 22'055'424},
                         Row{"vit_base_patch14_dinov2", 7'089'408, 86'578'176},
                         Row{"vit_small_patch16_224_dino", 1'774'464, 21'664'896},
                         Row{"vit_base_patch16_224_dino", 7'087'872, 85'797'120}}) {
    SCOPED_TRACE(row.variant);
    VitShape shape = EncoderShape(Variant(row.variant)).value();
    const int64_t depth = shape.depth;
    shape.depth = 0;
    EXPECT_EQ(CountParameters(*VitBlock(shape)), row.per_block);
    EXPECT_EQ(CountParameters(*Vit(shape)) + depth * row.per_block, row.total);
  }
}

// DINO's tables are those of 224 px: nothing is resampled there.
TEST(EncoderTable, NativeGridOfDinoIs224Pixels) {
  for (const EncoderRow& row : EncoderTable()) {
    if (std::string(row.name).find("_224_") == std::string::npos) continue;
    EXPECT_EQ(row.shape.pos_grid * row.shape.patch_px, 224) << row.name;
    EXPECT_FALSE(row.shape.layer_scale) << row.name;
  }
}

TEST(EncoderShape, DepthKeepsTheFirstBlocksOnly) {
  config::EncoderConfig config = Variant("vit_small_patch14_dinov2");
  config.set_depth(8);
  EXPECT_EQ(EncoderShape(config)->depth, 8);
  config.set_depth(13);
  EXPECT_EQ(Problem(config), "encoder.depth 13 is not between 1 and 12");
  config.set_depth(-1);
  EXPECT_THAT(Problem(config), HasSubstr("encoder.depth -1"));
}

TEST(EncoderShape, UnknownVariantListsTheRows) {
  EXPECT_THAT(Problem(Variant("resnet50")),
              AllOf(HasSubstr("encoder.variant 'resnet50' is unknown"),
                    HasSubstr("vit_small_patch14_dinov2, vit_base_patch14_dinov2")));
}

TEST(EncoderShape, RefusesSizesThatDoNotFit) {
  config::EncoderConfig config = Variant("vit_small_patch14_dinov2");
  config.set_input_width_px(230);
  EXPECT_THAT(Problem(config), HasSubstr("230x224 px is not a multiple of the patch size 14"));
  config = Variant("vit_small_patch14_dinov2");
  config.set_num_heads(7);
  EXPECT_THAT(Problem(config), HasSubstr("7 heads do not divide width 384"));
}

}  // namespace
}  // namespace slotmatch
