#pragma once

#include "absl/status/status.h"

namespace slotmatch {

// slotmatch_client admin COMMAND: speaks slotmatch.v1.AdminService. argv[0] is "admin".
// INVALID_ARGUMENT for a wrong command line, else the status of connecting and of the call.
absl::Status RunAdmin(int argc, char** argv);

}  // namespace slotmatch
