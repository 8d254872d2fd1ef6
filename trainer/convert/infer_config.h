#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/weights/key_mapping.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// What a person says about weights; 0: nothing. Needed only where no tensor tells it.
struct ImportHints {
  int64_t num_slots = 0;        // --num-slots
  int64_t num_heads = 0;        // --num-heads, of the encoder
  int64_t input_height_px = 0;  // --input-size
  int64_t input_width_px = 0;
};

// The architecture that tensors have, from their names and shapes alone. Keys are ours: those of a
// whole video model, or timm's for a backbone (then only `encoder` is filled). Not in any tensor,
// and left at the reference's: iterations, heads of predictor and allocator.
// kInvalidArgument names the options that are needed. kDataLoss: a key is missing or its shape
// fits no model.
absl::StatusOr<config::ModelConfig> InferModelConfig(const TensorMap& tensors, bool whole_model,
                                                     const ImportHints& hints);

}  // namespace slotmatch
