#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
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
// Takes the slots out of `step`, and notes when the encoding begins.
void FinishFrame(const ModelInfo& info, const StreamOptions& options, StepOutput* step,
                 FrameSegmentation* segmentation);

// Entropy of soft masks [K, N], in units of log K: 0 where a token has one slot, 1 where all slots
// have the same share.
struct MaskEntropy {
  double mean = 0;               // over all tokens
  std::vector<double> per_slot;  // [K] mean over the tokens that a slot claims most; 0: none
};
MaskEntropy EntropyOf(absl::Span<const float> masks, int num_slots);

// Whether what leaves the server (slots, masks) and what goes into the next step is finite.
struct StepHealth {
  bool output_finite = true;
  bool next_finite = true;
};
StepHealth CheckStep(const StepOutput& step);

}  // namespace slotmatch
