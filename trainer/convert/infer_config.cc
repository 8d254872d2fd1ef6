#include "trainer/convert/infer_config.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/model/encoder/encoder_table.h"
#include "core/weights/manifest.h"
#include "trainer/convert/tensor_shapes.h"

namespace slotmatch {
namespace {

constexpr char kCorrector[] = "processor.module.corrector.";
constexpr char kPredictorBlocks[] = "processor.module.predictor.blocks.";
constexpr char kDecoder[] = "decoder.module.";

int64_t SquareRoot(int64_t value) {
  const auto root = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(value))));
  return root * root == value ? root : 0;
}

// The row of this width, else one of this family whose width is overridden.
absl::StatusOr<const EncoderRow*> FindRow(int64_t patch_px, int64_t dim, bool layer_scale) {
  const EncoderRow* family = nullptr;
  for (const EncoderRow& row : EncoderTable()) {
    if (row.shape.patch_px != patch_px || row.shape.layer_scale != layer_scale) continue;
    if (row.shape.dim == dim) return &row;
    if (family == nullptr) family = &row;
  }
  if (family != nullptr) return family;
  return absl::DataLossError(absl::StrCat("no encoder of this program has patches of ", patch_px,
                                          " px ", layer_scale ? "and" : "but no",
                                          " layer scale (ls1.gamma)"));
}

// Whether the blocks scale their branches; all do or none does.
absl::StatusOr<bool> HasLayerScale(const TensorShapes& shapes, int64_t depth) {
  const bool first = shapes.Has("blocks.0.ls1.gamma");
  for (int64_t i = 0; i < depth; ++i) {
    for (const char* scale : {".ls1.gamma", ".ls2.gamma"}) {
      if (shapes.Has(absl::StrCat("blocks.", i, scale)) == first) continue;
      return absl::DataLossError(
          absl::StrCat("some blocks have layer scale, others not: see blocks.", i, scale));
    }
  }
  return first;
}

absl::Status InferEncoder(const TensorShapes& shapes, const ImportHints& hints,
                          config::EncoderConfig* encoder, std::vector<std::string>* needed) {
  SM_ASSIGN_OR_RETURN(const Shape patch, shapes.Get("patch_embed.proj.weight", 4));
  SM_ASSIGN_OR_RETURN(const Shape positions, shapes.Get("pos_embed", 3));
  const int64_t dim = patch[0], patch_px = patch[2];
  SM_RETURN_IF_ERROR(shapes.Require("patch_embed.proj.weight", {dim, 3, patch_px, patch_px}));
  SM_RETURN_IF_ERROR(shapes.Require("pos_embed", {1, positions[1], dim}));
  SM_ASSIGN_OR_RETURN(const int64_t depth,
                      shapes.Count("blocks.", "attn.qkv.weight", {3 * dim, dim}));
  const int64_t grid = SquareRoot(positions[1] - 1);
  if (grid == 0) {
    return absl::DataLossError(absl::StrCat("key 'pos_embed' has ", positions[1],
                                            " rows, which is not one and a square grid"));
  }
  SM_ASSIGN_OR_RETURN(const bool layer_scale, HasLayerScale(shapes, depth));
  SM_ASSIGN_OR_RETURN(const EncoderRow* row, FindRow(patch_px, dim, layer_scale));
  encoder->set_variant(row->name);
  if (grid != row->shape.pos_grid) encoder->set_pos_grid(static_cast<int32_t>(grid));
  if (dim != row->shape.dim || depth > row->shape.depth) {
    encoder->set_embed_dim(static_cast<int32_t>(dim));
  }
  if (depth != row->shape.depth) encoder->set_depth(static_cast<int32_t>(depth));
  if (hints.num_heads > 0) {
    encoder->set_num_heads(static_cast<int32_t>(hints.num_heads));
  } else if (dim != row->shape.dim) {
    needed->push_back(absl::StrCat("--num-heads N (the encoder's; its width ", dim,
                                   " is none of the known encoders')"));
  }
  return absl::OkStatus();
}

// The model's input: given, or the square that the decoder's positions cover.
absl::Status InferInputSize(int64_t num_tokens, int64_t patch_px, const ImportHints& hints,
                            config::EncoderConfig* encoder, std::vector<std::string>* needed) {
  int64_t height = hints.input_height_px, width = hints.input_width_px;
  const int64_t side = SquareRoot(num_tokens);
  if (height == 0 && side == 0) {
    needed->push_back(absl::StrCat("--input-size WIDTHxHEIGHT (the decoder has ", num_tokens,
                                   " positions, which is no square grid)"));
    return absl::OkStatus();
  }
  if (height == 0) height = width = side * patch_px;
  if (height % patch_px != 0 || width % patch_px != 0 ||
      (height / patch_px) * (width / patch_px) != num_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("--input-size ", width, "x", height,
                                                   " does not make the decoder's ", num_tokens,
                                                   " positions in patches of ", patch_px, " px"));
  }
  encoder->set_input_height_px(static_cast<int32_t>(height));
  encoder->set_input_width_px(static_cast<int32_t>(width));
  return absl::OkStatus();
}

absl::Status InferSlots(const TensorShapes& shapes, const ImportHints& hints,
                        config::ModelConfig* config, std::vector<std::string>* needed) {
  SM_ASSIGN_OR_RETURN(const Shape query, shapes.Get(absl::StrCat(kCorrector, "to_q.weight"), 2));
  const int64_t slot_dim = query[0];
  SM_RETURN_IF_ERROR(shapes.Require(absl::StrCat(kCorrector, "to_q.weight"), {slot_dim, slot_dim}));
  config->set_slot_dim(static_cast<int32_t>(slot_dim));
  int64_t num_slots = hints.num_slots;
  if (shapes.Has("initializer.slots")) {
    SM_ASSIGN_OR_RETURN(const Shape slots, shapes.Get("initializer.slots", 3));
    if (num_slots != 0 && num_slots != slots[1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("--num-slots ", num_slots, ": these weights have ", slots[1], " slots"));
    }
    num_slots = slots[1];
  } else {
    config->mutable_slot_init()->set_kind("random");
  }
  if (num_slots == 0) {
    needed->push_back("--num-slots N (slots start at random, so no tensor has them)");
  }
  config->set_num_slots(static_cast<int32_t>(num_slots));
  config->mutable_slot_attention()->set_use_mlp(shapes.HasAny(absl::StrCat(kCorrector, "mlp.")));
  SM_ASSIGN_OR_RETURN(const int64_t blocks,
                      shapes.Count(kPredictorBlocks, "linear1.weight", {4 * slot_dim, slot_dim}));
  if (blocks > 0) {
    config->mutable_predictor()->set_num_blocks(static_cast<int32_t>(blocks));
  } else {
    config->mutable_predictor()->set_kind("none");
  }
  return absl::OkStatus();
}

// How a kind of decoder is told by its keys below "decoder.module.".
struct DecoderKeys {
  const char* kind;
  const char* mark;      // keys that it alone has
  size_t position_rank;  // [..., N, S]
  const char* layers;    // its MLP
  const char* output;    // layer of the output channels; null: the MLP's last, and one alpha more
};
constexpr DecoderKeys kDecoders[] = {
    {"mlp", "mlp.", 4, "mlp.layers.", nullptr},
    {"slot_mixer", "allocator.", 3, "renderer.layers.", "output_transform.weight"},
};

// Rows of the linear layers STEM<0>, STEM<2>, ..., of which the first takes `input` columns.
absl::StatusOr<std::vector<int64_t>> LayerWidths(const TensorShapes& shapes,
                                                 const std::string& stem, int64_t input) {
  std::vector<int64_t> widths;
  for (std::string key = stem + "0.weight"; shapes.Has(key);
       key = absl::StrCat(stem, 2 * widths.size(), ".weight")) {
    SM_ASSIGN_OR_RETURN(const Shape weight, shapes.Get(key, 2));
    SM_RETURN_IF_ERROR(shapes.Require(key, {weight[0], widths.empty() ? input : widths.back()}));
    widths.push_back(weight[0]);
  }
  if (widths.size() < 2) {
    return absl::DataLossError(absl::StrCat("no hidden layers are below '", kDecoder, stem, "'"));
  }
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    if (widths[i] == widths.front()) continue;
    return absl::DataLossError(absl::StrCat("the hidden layers below '", kDecoder, stem,
                                            "' differ in width: ", absl::StrJoin(widths, ", ")));
  }
  return widths;
}

absl::StatusOr<config::DecoderConfig::Outputs> OutputsOf(int64_t channels, int64_t token_dim,
                                                         int64_t num_tokens) {
  using Decoder = config::DecoderConfig;
  if (channels == token_dim) return Decoder::FEATURES;
  if (channels == token_dim + num_tokens) return Decoder::FEATURES_AND_SIMILARITY;
  if (channels == num_tokens) return Decoder::SIMILARITY;
  return absl::DataLossError(absl::StrCat("the decoder gives ", channels,
                                          " channels a token; tokens of width ", token_dim, " and ",
                                          num_tokens, " similarities make ", token_dim, ", ",
                                          token_dim + num_tokens, " or ", num_tokens));
}

// Fills `decoder`; returns N, the positions that it decodes.
absl::StatusOr<int64_t> InferDecoder(const TensorMap& tensors, int64_t token_dim,
                                     config::DecoderConfig* decoder) {
  const TensorShapes shapes(tensors, kDecoder);
  const DecoderKeys* keys = nullptr;
  for (const DecoderKeys& row : kDecoders) {
    if (shapes.HasAny(row.mark)) keys = &row;
  }
  if (keys == nullptr) {
    return absl::DataLossError(absl::StrCat("no decoder is below '", kDecoder, "'"));
  }
  SM_ASSIGN_OR_RETURN(const Shape positions, shapes.Get("pos_emb", keys->position_rank));
  const int64_t slot_dim = positions.back();
  SM_ASSIGN_OR_RETURN(const std::vector<int64_t> widths,
                      LayerWidths(shapes, keys->layers, slot_dim));
  int64_t channels = widths.back() - 1;
  if (keys->output != nullptr) {
    SM_ASSIGN_OR_RETURN(const Shape output, shapes.Get(keys->output, 2));
    channels = output[0];
    SM_ASSIGN_OR_RETURN(const int64_t blocks, shapes.Count("allocator.blocks.", "linear1.weight",
                                                           {4 * slot_dim, slot_dim}));
    decoder->set_allocator_blocks(static_cast<int32_t>(blocks));
  }
  const int64_t num_tokens = positions[keys->position_rank - 2];
  SM_ASSIGN_OR_RETURN(const auto outputs, OutputsOf(channels, token_dim, num_tokens));
  decoder->set_outputs(outputs);
  decoder->set_kind(keys->kind);
  decoder->set_hidden_dim(static_cast<int32_t>(widths.front()));
  decoder->set_num_hidden_layers(static_cast<int32_t>(widths.size()) - 1);
  return num_tokens;
}

// What only models of this program have.
absl::Status InferExtensions(const TensorShapes& shapes, int64_t token_dim,
                             config::ModelConfig* config) {
  if (shapes.Has("encoder.module.position")) {
    config->mutable_feature_transform()->set_learned_position(true);
  }
  if (shapes.HasAny("grouping_head.")) {
    SM_ASSIGN_OR_RETURN(const Shape weight, shapes.Get("grouping_head.layers.0.weight", 2));
    SM_RETURN_IF_ERROR(shapes.Require("grouping_head.layers.2.weight", {token_dim + 2, weight[0]}));
    config->mutable_grouping_head()->set_enabled(true);
    config->mutable_grouping_head()->set_hidden_dim(static_cast<int32_t>(weight[0]));
  }
  return absl::OkStatus();
}

absl::Status InferHead(const TensorMap& tensors, const ImportHints& hints,
                       config::ModelConfig* config, std::vector<std::string>* needed) {
  const TensorShapes shapes(tensors, "");
  SM_RETURN_IF_ERROR(InferSlots(shapes, hints, config, needed));
  SM_ASSIGN_OR_RETURN(const Shape patch,
                      shapes.Get(absl::StrCat(kBackbonePrefix, "patch_embed.proj.weight"), 4));
  const int64_t token_dim = patch[0];
  SM_RETURN_IF_ERROR(shapes.Require("encoder.module.output_transform.layers.1.weight",
                                    {2 * token_dim, token_dim}));
  SM_ASSIGN_OR_RETURN(const int64_t num_tokens,
                      InferDecoder(tensors, token_dim, config->mutable_decoder()));
  SM_RETURN_IF_ERROR(
      InferInputSize(num_tokens, patch[2], hints, config->mutable_encoder(), needed));
  config->set_target_normalization(config::NONE);
  config->set_mask_source(config::DECODER);
  return InferExtensions(shapes, token_dim, config);
}

}  // namespace

absl::StatusOr<config::ModelConfig> InferModelConfig(const TensorMap& tensors, bool whole_model,
                                                     const ImportHints& hints) {
  config::ModelConfig config;
  std::vector<std::string> needed;
  SM_RETURN_IF_ERROR(InferEncoder(TensorShapes(tensors, whole_model ? kBackbonePrefix : ""), hints,
                                  config.mutable_encoder(), &needed));
  if (whole_model) SM_RETURN_IF_ERROR(InferHead(tensors, hints, &config, &needed));
  if (!needed.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("these weights do not tell everything: say ", absl::StrJoin(needed, ", ")));
  }
  return config;
}

}  // namespace slotmatch
