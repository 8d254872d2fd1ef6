#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace slotmatch::parity {

// Bytes of one member of a plain tar file (ustar headers). kNotFound: no file, or no such member.
absl::StatusOr<std::string> ReadTarMember(const std::string& tar, const std::string& member);

}  // namespace slotmatch::parity
