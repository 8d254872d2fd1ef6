#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slotmatch {

// The entries of a zip archive in memory, by name, as views of it: only stored entries are read, so
// that nothing is ever inflated. kDataLoss names the entry: compressed, encrypted, repeated,
// outside of the archive, local and central header or CRC-32 that disagree.
absl::StatusOr<std::map<std::string, absl::Span<const uint8_t>>> ZipEntries(
    absl::Span<const uint8_t> file);

}  // namespace slotmatch
