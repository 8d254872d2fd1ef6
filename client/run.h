#pragma once

#include "absl/status/status.h"

namespace slotmatch {

// slotmatch_client from its command line to its end. Ctrl-C stops sending, writes what has come
// back and ends with kCancelled.
absl::Status RunClient(int argc, char** argv);

}  // namespace slotmatch
