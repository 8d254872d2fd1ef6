#include "core/engine/frame_steps.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/image/coco_mask.h"
#include "core/image/mask_codec.h"
#include "core/image/preprocess.h"

namespace slotmatch {
namespace {

absl::StatusOr<Image> Decode(const SourceFrame& frame, const ImageLimits& limits) {
  SM_RETURN_IF_ERROR(frame.readable);
  if (frame.raw) {
    return ImageFromRaw(frame.format, frame.width, frame.height, frame.bytes, limits);
  }
  return DecodeImage(frame.bytes, limits);
}

std::string EncodeMask(const LabelMap& map, MaskFormat format) {
  switch (format) {
    case MaskFormat::kNone:
    case MaskFormat::kCocoRle:
      return "";
    case MaskFormat::kRaw:
      return std::string(map.labels.begin(), map.labels.end());
    case MaskFormat::kIndexRle:
      return EncodeIndexRle(map);
    case MaskFormat::kPng:
      return EncodePalettePng(map);
  }
  return "";
}

// A centre and a box on the patch grid. The box covers whole patches of the source: rounded
// outwards.
void ScaleStats(int grid_width, int grid_height, int width, int height, SlotStats* stats) {
  const auto scale = [](int value, int from, int to, bool up) {
    const int64_t product = int64_t{value} * to;
    return static_cast<int>(up ? (product + from - 1) / from : product / from);
  };
  stats->center_x *= static_cast<double>(width) / grid_width;
  stats->center_y *= static_cast<double>(height) / grid_height;
  const int right = scale(stats->left + stats->width, grid_width, width, true);
  const int bottom = scale(stats->top + stats->height, grid_height, height, true);
  stats->left = scale(stats->left, grid_width, width, false);
  stats->top = scale(stats->top, grid_height, height, false);
  stats->width = right - stats->left;
  stats->height = bottom - stats->top;
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

absl::Status DecodeFrame(const SourceFrame& source, const ModelInfo& info,
                         const ImageLimits& limits, std::vector<float>* pixels,
                         FrameSegmentation* segmentation) {
  SM_ASSIGN_OR_RETURN(const Image image, Decode(source, limits));
  pixels->resize(size_t{3} * info.input_height_px * info.input_width_px);
  Preprocess(image, info.preprocessing, info.input_height_px, info.input_width_px,
             absl::MakeSpan(*pixels));
  segmentation->source_width = image.width;
  segmentation->source_height = image.height;
  return absl::OkStatus();
}

void FinishFrame(const ModelInfo& info, const StreamOptions& options, StepOutput* step,
                 FrameSegmentation* segmentation) {
  FrameSegmentation& frame = *segmentation;
  const bool grid = options.grid_masks;
  Segmentation made = SegmentFromSoftMasks(
      step->masks, info.num_slots, info.grid_height, info.grid_width,
      grid ? info.grid_height : frame.source_height, grid ? info.grid_width : frame.source_width);
  frame.mask_width = made.map.width;
  frame.mask_height = made.map.height;
  frame.mask_pixels = int64_t{frame.mask_width} * frame.mask_height;
  frame.mask_format = options.mask_format;
  frame.timings.times.encode_began = absl::Now();
  frame.mask = EncodeMask(made.map, options.mask_format);
  if (options.mask_format == MaskFormat::kCocoRle) {
    frame.slot_masks = EncodeCompressedRuns(made.map, info.num_slots);
  }
  frame.slots = std::move(made.slots);
  MaskEntropy entropy = EntropyOf(step->masks, info.num_slots);
  frame.health.entropy = entropy.mean;
  frame.slot_entropy = std::move(entropy.per_slot);
  frame.health.empty_slots =
      static_cast<int>(std::count_if(frame.slots.begin(), frame.slots.end(),
                                     [](const SlotStats& slot) { return slot.area_px == 0; }));
  for (SlotStats& stats : frame.slots) {
    if (!grid || stats.area_px == 0) continue;
    ScaleStats(info.grid_width, info.grid_height, frame.source_width, frame.source_height, &stats);
  }
  frame.vectors = std::move(step->slots);
  if (options.soft_masks) frame.soft_masks = std::move(step->masks);
  frame.grid_width = info.grid_width;
  frame.grid_height = info.grid_height;
}

MaskEntropy EntropyOf(absl::Span<const float> masks, int num_slots) {
  MaskEntropy entropy{0, std::vector<double>(num_slots)};
  const size_t tokens = masks.size() / num_slots;
  if (num_slots < 2 || tokens == 0) return entropy;
  const double most_possible = std::log(num_slots);
  std::vector<int64_t> claimed(num_slots);
  for (size_t n = 0; n < tokens; ++n) {
    double sum = 0;
    int most = 0;
    for (int k = 0; k < num_slots; ++k) {
      const float share = masks[k * tokens + n];
      if (share > 0) sum -= share * std::log(share);
      if (share > masks[most * tokens + n]) most = k;
    }
    const double one = std::clamp(sum / most_possible, 0.0, 1.0);
    entropy.mean += one / static_cast<double>(tokens);
    entropy.per_slot[most] += one;
    ++claimed[most];
  }
  for (int k = 0; k < num_slots; ++k) {
    if (claimed[k] > 0) entropy.per_slot[k] /= static_cast<double>(claimed[k]);
  }
  return entropy;
}

StepHealth CheckStep(const StepOutput& step) {
  return {AllFinite(step.masks) && AllFinite(step.slots), AllFinite(step.next_state.slots)};
}

}  // namespace slotmatch
