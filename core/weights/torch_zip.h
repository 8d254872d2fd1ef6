#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/weights/tensor_archive.h"

namespace slotmatch {

// Checkpoints of torch.save since 1.6: a zip archive with a pickle, NAME/data.pkl, and one stored
// entry a storage, NAME/data/KEY. Source: torch/serialization.py (_save, _load).
bool IsTorchZip(absl::Span<const uint8_t> file);

// kDataLoss: a damaged archive (CRC-32 included), compressed, encrypted or repeated entries,
// big-endian data, a pickle or tensors that are not read.
absl::Status ReadTorchZip(absl::Span<const uint8_t> file, ArchiveContents* contents);

}  // namespace slotmatch
