#pragma once

#include <vector>

#include "absl/status/status.h"
#include "core/engine/segmenter.h"
#include "core/engine/stream_types.h"

// What a session does with one frame before and after the model. No state, thread-safe.
namespace slotmatch {

// Decodes and preprocesses `source` into pixels [3, H, W] and writes the picture's size into
// `segmentation`. INVALID_ARGUMENT or DATA_LOSS for a picture that cannot be used.
absl::Status DecodeFrame(const SourceFrame& source, const ModelInfo& info,
                         const ImageLimits& limits, std::vector<float>* pixels,
                         FrameSegmentation* segmentation);

// Label map, statistics and encoded mask of the model's output, at the size the session asked for.
// Takes the slots out of `step`.
void FinishFrame(const ModelInfo& info, const StreamOptions& options, StepOutput* step,
                 FrameSegmentation* segmentation);

// Whether what leaves the server (slots, masks) and what goes into the next step is finite.
struct StepHealth {
  bool output_finite = true;
  bool next_finite = true;
};
StepHealth CheckStep(const StepOutput& step);

}  // namespace slotmatch
