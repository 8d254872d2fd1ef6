#include "trainer/convert/infer_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/config/config.h"
#include "core/model/model_io.h"
#include "core/weights/manifest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

// Names and shapes without values: as much as the inference looks at.
class ShapeMap {
 public:
  void Add(const std::string& key, const std::vector<int64_t>& shape) {
    tensors_[key] = {DType::kF32, shape, {}};
  }
  void Remove(const std::string& key) { tensors_.erase(key); }
  void AddVit(const std::string& prefix, int64_t dim, int64_t depth, int64_t grid, int64_t patch_px,
              bool layer_scale = true) {
    Add(prefix + "cls_token", {1, 1, dim});
    Add(prefix + "pos_embed", {1, 1 + grid * grid, dim});
    Add(prefix + "patch_embed.proj.weight", {dim, 3, patch_px, patch_px});
    Add(prefix + "patch_embed.proj.bias", {dim});
    for (int64_t i = 0; i < depth; ++i)
      AddVitBlock(absl::StrCat(prefix, "blocks.", i, "."), dim, layer_scale);
  }
  const TensorMap& tensors() const { return tensors_; }
  int64_t parameters(const std::string& but_prefix = "no such") const {
    int64_t total = 0;
    for (const auto& [key, view] : tensors_) {
      if (key.rfind(but_prefix, 0) != 0) total += view.num_elements();
    }
    return total;
  }

 private:
  void AddVitBlock(const std::string& block, int64_t dim, bool layer_scale) {
    for (const char* norm : {"norm1.", "norm2."}) {
      Add(block + norm + "weight", {dim});
      Add(block + norm + "bias", {dim});
    }
    const std::tuple<const char*, int64_t, int64_t> layers[] = {{"attn.qkv.", 3 * dim, dim},
                                                                {"attn.proj.", dim, dim},
                                                                {"mlp.fc1.", 4 * dim, dim},
                                                                {"mlp.fc2.", dim, 4 * dim}};
    for (const auto& [name, out, in] : layers) {
      Add(block + name + "weight", {out, in});
      Add(block + name + "bias", {out});
    }
    if (!layer_scale) return;
    Add(block + "ls1.gamma", {dim});
    Add(block + "ls2.gamma", {dim});
  }
  TensorMap tensors_;
};

// A whole model of this configuration: the head's real keys, the encoder's by their rule.
ShapeMap ShapesOf(const config::ModelConfig& config, int64_t dim, int64_t grid = 37) {
  ShapeMap shapes;
  for (const auto& [key, tensor] : NamedTensors(*VideoModel(config, WithEncoder::kNo), {})) {
    shapes.Add(key, tensor.sizes().vec());
  }
  shapes.AddVit(kBackbonePrefix, dim, 12, grid, 14);
  return shapes;
}

config::ModelConfig Config(const std::string& text) {
  config::ModelConfig config;
  EXPECT_THAT(ParseConfigText(text, "test", &config), IsOk());
  return config;
}

// The published settings (SlotContrast's recipes and SlotMatch's table of them): what they make is
// inferred from it, and has the number of parameters counted for it.
struct PublishedRow {
  const char* name;
  int32_t num_slots, slot_dim, input_px;
  int64_t base_total, small_total, base_trainable, small_trainable;
};
const PublishedRow kPublished[] = {
    {"ytvis", 7, 64, 518, 91022017, 25170241, 4443841, 3114817},
    {"movi_e", 15, 128, 336, 91531777, 25630849, 4953601, 3575425},
    {"movi_c", 11, 64, 336, 90971521, 25119745, 4393345, 3064321},
    {"davis", 4, 128, 336, 91530369, 25629441, 4952193, 3574017},
};

class Published : public testing::TestWithParam<PublishedRow> {};

TEST_P(Published, IsInferredAndHasItsParameters) {
  const PublishedRow& row = GetParam();
  for (const bool base : {true, false}) {
    SCOPED_TRACE(base ? "ViT-B" : "ViT-S");
    config::ModelConfig config = Config(absl::StrCat(
        "num_slots: ", row.num_slots, " slot_dim: ", row.slot_dim, " encoder { variant: '",
        base ? "vit_base_patch14_dinov2" : "vit_small_patch14_dinov2",
        "' input_height_px: ", row.input_px, " input_width_px: ", row.input_px, " }"));
    const ShapeMap shapes = ShapesOf(config, base ? 768 : 384);
    EXPECT_EQ(shapes.parameters(), base ? row.base_total : row.small_total);
    EXPECT_EQ(shapes.parameters(kBackbonePrefix), base ? row.base_trainable : row.small_trainable);
    const auto inferred = InferModelConfig(shapes.tensors(), /*whole_model=*/true, {});
    ASSERT_THAT(inferred, IsOk());
    EXPECT_EQ(ConfigText(*inferred, /*all=*/true), ConfigText(config, /*all=*/true));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Published, testing::ValuesIn(kPublished),
                         [](const auto& info) { return info.param.name; });

TEST(InferModelConfig, FindsWhatDiffersFromThePublished) {
  const char* const variants[] = {
      "slot_attention { use_mlp: false }",
      "predictor { num_blocks: 3 }",
      "predictor { kind: 'none' }",
      "decoder { hidden_dim: 20 num_hidden_layers: 1 }",
      "decoder { kind: 'slot_mixer' hidden_dim: 20 num_hidden_layers: 2 allocator_blocks: 3 }",
      "decoder { kind: 'slot_mixer' hidden_dim: 20 outputs: FEATURES_AND_SIMILARITY }",
      "decoder { kind: 'slot_mixer' hidden_dim: 20 allocator_blocks: 1 outputs: SIMILARITY }",
      "decoder { outputs: FEATURES_AND_SIMILARITY }",
      "feature_transform { learned_position: true } grouping_head { enabled: true hidden_dim: 5 }",
  };
  for (const char* text : variants) {
    SCOPED_TRACE(text);
    const config::ModelConfig config = Config(absl::StrCat("num_slots: 3 slot_dim: 8 ", text));
    const auto inferred =
        InferModelConfig(ShapesOf(config, 384).tensors(), /*whole_model=*/true, {});
    ASSERT_THAT(inferred, IsOk());
    EXPECT_EQ(ConfigText(*inferred, true), ConfigText(config, true));
  }
}

TEST(InferModelConfig, EncodersAreRowsOrRowsWithOtherSizes) {
  struct Row {
    int64_t dim, depth, grid;
    ImportHints hints;
    const char* encoder;
  };
  const Row rows[] = {
      {384, 12, 37, {}, "variant: 'vit_small_patch14_dinov2'"},
      {768, 12, 37, {}, "variant: 'vit_base_patch14_dinov2'"},
      {1024, 24, 37, {}, "variant: 'vit_large_patch14_dinov2'"},
      {384, 9, 16, {}, "variant: 'vit_small_patch14_dinov2' depth: 9 pos_grid: 16"},
      {384, 14, 37, {}, "variant: 'vit_small_patch14_dinov2' depth: 14 embed_dim: 384"},
      {48,
       3,
       37,
       {.num_heads = 3},
       "variant: 'vit_small_patch14_dinov2' depth: 3 embed_dim: 48 num_heads: 3"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.encoder);
    ShapeMap shapes;
    shapes.AddVit("", row.dim, row.depth, row.grid, 14);
    const auto inferred = InferModelConfig(shapes.tensors(), /*whole_model=*/false, row.hints);
    ASSERT_THAT(inferred, IsOk());
    EXPECT_EQ(ConfigText(*inferred),
              ConfigText(Config(absl::StrCat("encoder { ", row.encoder, " }"))));
  }
}

TEST(InferModelConfig, DinoHasNoLayerScale) {
  const std::tuple<int64_t, int64_t, int64_t, const char*> rows[] = {
      {384, 16, 14, "vit_small_patch16_224_dino"},
      {384, 8, 28, "vit_small_patch8_224_dino"},
      {768, 16, 14, "vit_base_patch16_224_dino"},
      {768, 8, 28, "vit_base_patch8_224_dino"}};
  for (const auto& [dim, patch_px, grid, variant] : rows) {
    SCOPED_TRACE(variant);
    ShapeMap shapes;
    shapes.AddVit("", dim, 12, grid, patch_px, /*layer_scale=*/false);
    const auto inferred = InferModelConfig(shapes.tensors(), /*whole_model=*/false, {});
    ASSERT_THAT(inferred, IsOk());
    EXPECT_EQ(ConfigText(*inferred),
              ConfigText(Config(absl::StrCat("encoder { variant: '", variant, "' }"))));
    shapes.Add("blocks.3.ls2.gamma", {dim});
    EXPECT_THAT(InferModelConfig(shapes.tensors(), /*whole_model=*/false, {}),
                FailsWith(StatusCode::kDataLoss, "blocks.3.ls2.gamma"));
  }
}

TEST(InferModelConfig, AsksAtOnceForAllThatNoTensorTells) {
  config::ModelConfig config = TinyModelConfig();
  config.mutable_slot_init()->set_kind("random");
  config.mutable_encoder()->set_input_width_px(84);
  ShapeMap shapes = ShapesOf(config, 16, 5);
  const auto asks = InferModelConfig(shapes.tensors(), /*whole_model=*/true, {});
  for (const char* option : {"--num-heads N", "--num-slots N", "--input-size WIDTHxHEIGHT"}) {
    EXPECT_THAT(asks, FailsWith(StatusCode::kInvalidArgument, option));
  }
  const ImportHints hints = {
      .num_slots = 3, .num_heads = 2, .input_height_px = 56, .input_width_px = 84};
  const auto told = InferModelConfig(shapes.tensors(), /*whole_model=*/true, hints);
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(told->num_slots(), 3);
  EXPECT_EQ(told->slot_init().kind(), "random");
  EXPECT_EQ(told->encoder().num_heads(), 2);
  EXPECT_EQ(told->encoder().input_width_px(), 84);
}

TEST(InferModelConfig, HintsMayNotContradictTheTensors) {
  const ShapeMap shapes = ShapesOf(TinyModelConfig(), 16, 5);
  EXPECT_THAT(InferModelConfig(shapes.tensors(), true, {.num_slots = 4, .num_heads = 2}),
              FailsWith(StatusCode::kInvalidArgument, "these weights have 3 slots"));
  EXPECT_THAT(InferModelConfig(shapes.tensors(), true,
                               {.num_heads = 2, .input_height_px = 56, .input_width_px = 70}),
              FailsWith(StatusCode::kInvalidArgument, "--input-size 70x56"));
}

TEST(InferModelConfig, MissingAndMisshapenKeysAreNamed) {
  const config::ModelConfig config = Config("num_slots: 3 slot_dim: 8");
  struct Row {
    const char* key;
    std::vector<int64_t> shape;  // empty: removed
    const char* fragment;
  };
  const Row rows[] = {
      {"encoder.module.backbone.model.pos_embed", {}, "pos_embed' is missing"},
      {"encoder.module.backbone.model.pos_embed", {1, 1371, 384}, "not one and a square grid"},
      {"encoder.module.backbone.model.pos_embed", {1, 0, 384}, "shape [1, 0, 384]"},
      {"encoder.module.backbone.model.patch_embed.proj.weight", {384, 3}, "not 4 axes"},
      {"encoder.module.backbone.model.patch_embed.proj.weight",
       {384, 3, 15, 15},
       "patches of 15 px and layer scale"},
      {"encoder.module.backbone.model.blocks.5.attn.qkv.weight", {9, 3}, "[9, 3] instead of"},
      {"processor.module.corrector.to_q.weight", {1 << 30, 1}, "to_q.weight' has shape"},
      {"processor.module.predictor.blocks.2.linear1.bias", {32}, "none of 'processor.module."},
      {"encoder.module.output_transform.layers.1.weight", {7, 7}, "instead of [768, 384]"},
      {"processor.module.corrector.to_q.weight", {}, "to_q.weight' is missing"},
      {"decoder.module.pos_emb", {}, "pos_emb' is missing"},
      {"decoder.module.mlp.layers.0.weight", {}, "no hidden layers"},
      {"decoder.module.mlp.layers.2.weight", {7, 1024}, "[1024, 1024] instead of [1024, 7]"},
      {"decoder.module.mlp.layers.6.weight", {7, 1024}, "6 channels a token"},
      {"decoder.module.mlp.layers.0.weight", {1 << 30, 1}, "mlp.layers.0.weight' has shape"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fragment);
    ShapeMap shapes = ShapesOf(config, 384);
    if (row.shape.empty()) {
      shapes.Remove(row.key);
    } else {
      shapes.Add(row.key, row.shape);
    }
    EXPECT_THAT(InferModelConfig(shapes.tensors(), true, {}),
                FailsWith(StatusCode::kDataLoss, row.fragment));
  }
}

TEST(InferModelConfig, HiddenLayersMustBeOfOneWidth) {
  ShapeMap shapes = ShapesOf(Config("num_slots: 3 slot_dim: 8"), 384);
  shapes.Add("decoder.module.mlp.layers.2.weight", {7, 1024});
  shapes.Add("decoder.module.mlp.layers.4.weight", {1024, 7});
  EXPECT_THAT(InferModelConfig(shapes.tensors(), true, {}),
              FailsWith(StatusCode::kDataLoss, "differ in width: 1024, 7, 1024"));
}

}  // namespace
}  // namespace slotmatch
