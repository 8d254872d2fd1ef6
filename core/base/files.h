#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// Whole file as bytes. kNotFound when it is missing, kAborted on an I/O error, kOutOfRange above
// `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = int64_t{1} << 32);

// Writes `bytes` so that `path` holds either its old content or all of the new one, whatever
// happens: temporary file, fsync, rename, fsync of the folder. Creates missing folders.
absl::Status WriteFileAtomically(const std::string& path, const std::string& bytes);

// fsync of a folder: what was created, renamed or removed in it survives a power cut.
absl::Status SyncFolder(const std::string& folder);

// Lower-case hex SHA-256 of bytes, and of a file read in pieces.
std::string Sha256Hex(const std::string& bytes);
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace slotmatch
