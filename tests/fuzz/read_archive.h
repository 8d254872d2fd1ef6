#pragma once

#include <cstdint>
#include <cstdlib>

#include "core/weights/tensor_archive.h"

namespace slotmatch {

// Reads fuzzed bytes as one format and touches every byte of every tensor. Ends the process when a
// view does not fit its shape, or when a reader fails with anything but kDataLoss.
inline void ReadAndTouch(absl::Status (*read)(absl::Span<const uint8_t>, ArchiveContents*),
                         const uint8_t* data, size_t size) {
  ArchiveContents contents;
  const absl::Status status = read(absl::MakeSpan(data, size), &contents);
  if (!status.ok() && status.code() != absl::StatusCode::kDataLoss) std::abort();
  if (!status.ok()) return;
  volatile uint8_t sum = 0;
  for (const auto& [name, view] : contents.tensors) {
    if (view.bytes.size() != ByteSize(view.dtype) * static_cast<size_t>(view.num_elements())) {
      std::abort();
    }
    for (const uint8_t byte : view.bytes) sum = static_cast<uint8_t>(sum + byte);
  }
}

}  // namespace slotmatch
