#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/weights/tensor_archive.h"

namespace slotmatch {

// Checkpoints of torch.save before 1.6: pickles of a magic number, a version, facts about the
// machine, the object and the storage keys, then each storage as a count and raw elements. Source:
// torch/serialization.py (_legacy_save, _legacy_load).
bool IsTorchLegacy(absl::Span<const uint8_t> file);

// kDataLoss: truncated, another version, big-endian data, storages that do not fit the pickle, or
// as ReadTorchZip.
absl::Status ReadTorchLegacy(absl::Span<const uint8_t> file, ArchiveContents* contents);

}  // namespace slotmatch
