#include "core/model/encoder/encoder_table.h"

#include "absl/strings/str_cat.h"

namespace slotmatch {

const std::vector<EncoderRow>& EncoderTable() {
  constexpr bool kNoLayerScale = false;
  static const auto& rows = *new std::vector<EncoderRow>{
      // name, patch size, width, depth, heads, side of the position table
      {"vit_small_patch14_dinov2", {14, 384, 12, 6, 37}},
      {"vit_base_patch14_dinov2", {14, 768, 12, 12, 37}},
      {"vit_large_patch14_dinov2", {14, 1024, 24, 16, 37}},
      {"vit_small_patch16_224_dino", {16, 384, 12, 6, 14, kNoLayerScale}},
      {"vit_small_patch8_224_dino", {8, 384, 12, 6, 28, kNoLayerScale}},
      {"vit_base_patch16_224_dino", {16, 768, 12, 12, 14, kNoLayerScale}},
      {"vit_base_patch8_224_dino", {8, 768, 12, 12, 28, kNoLayerScale}},
  };
  return rows;
}

namespace {

absl::StatusOr<VitShape> FindRow(const std::string& name) {
  std::string known;
  for (const EncoderRow& row : EncoderTable()) {
    if (name == row.name) return row.shape;
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("encoder.variant '", name, "' is unknown; there are: ", known));
}

}  // namespace

absl::StatusOr<VitShape> EncoderShape(const config::EncoderConfig& config) {
  absl::StatusOr<VitShape> shape = FindRow(config.variant());
  if (!shape.ok()) return shape;
  if (config.embed_dim() < 0 || config.num_heads() < 0 || config.pos_grid() < 0) {
    return absl::FailedPreconditionError(
        "encoder.embed_dim, num_heads or pos_grid is below 0; 0 means the variant's own");
  }
  if (config.embed_dim() > 0) shape->dim = config.embed_dim();
  if (config.num_heads() > 0) shape->heads = config.num_heads();
  if (config.pos_grid() > 0) shape->pos_grid = config.pos_grid();
  const bool tiny = config.embed_dim() > 0;
  if (config.depth() < 0 || (config.depth() > shape->depth && !tiny)) {
    return absl::FailedPreconditionError(
        absl::StrCat("encoder.depth ", config.depth(), " is not between 1 and ", shape->depth));
  }
  if (config.depth() > 0) shape->depth = config.depth();
  if (shape->dim % shape->heads != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("encoder: ", shape->heads, " heads do not divide width ", shape->dim));
  }
  const int64_t patch = shape->patch_px;
  if (config.input_height_px() < patch || config.input_width_px() < patch ||
      config.input_height_px() % patch != 0 || config.input_width_px() % patch != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("encoder input ", config.input_width_px(), "x", config.input_height_px(),
                     " px is not a multiple of the patch size ", patch));
  }
  return shape;
}

}  // namespace slotmatch
