#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "core/weights/key_mapping.h"

namespace slotmatch {

// What surrounds the weights in a Lightning checkpoint.
struct LightningState {
  int64_t epoch = 0;
  int64_t global_step = 0;
};

// Writes tensors as torch.save does: a zip file whose pickle holds a dictionary of tensors, or,
// with `lightning`, the dictionary of a checkpoint whose "state_dict" is that. Storages lie at
// multiples of 64 bytes. torch.load reads it, weights_only included.
absl::Status WriteTorchFile(const std::string& path, const TensorMap& tensors,
                            const std::optional<LightningState>& lightning = std::nullopt);

}  // namespace slotmatch
