#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weights/key_mapping.h"

namespace slotmatch {

// A kind of published weight file. A row of the table; the first whose anchor is there is it.
struct CheckpointKind {
  const char* name;    // value of --kind
  const char* what;    // "SlotContrast or VideoSAUR video model"
  const char* anchor;  // a key that such a file has, and no kind below it
  bool whole_model;    // false: a backbone alone
  absl::StatusOr<MappedTensors> (*map)(const TensorMap& tensors);
};
const std::vector<CheckpointKind>& CheckpointKinds();

struct MapRequest {
  std::string kind = "auto";         // a row's name, or the first that fits
  std::string prefix;                // of the model's keys; empty: what precedes the anchor
  std::vector<std::string> ignored;  // keys below the prefix that begin so are left out
};

struct MappedCheckpoint {
  const CheckpointKind* kind = nullptr;
  std::string prefix;    // "state_dict." in a Lightning checkpoint
  MappedTensors mapped;  // `uses` holds every key of the file, with its prefix
};

// Tensors of a file -> ours. Keys outside the prefix (optimiser state, ...) are unused.
// kInvalidArgument: an unknown kind, or a file that needs --prefix. kDataLoss: a key that fits
// none.
absl::StatusOr<MappedCheckpoint> MapCheckpoint(const TensorMap& tensors, const MapRequest& request);

}  // namespace slotmatch
