#pragma once

#include "absl/status/status.h"

namespace slotmatch {

// slotmatch_server from its command line to its end after SIGTERM or SIGINT. A second signal ends
// the process at once.
absl::Status LaunchServer(int argc, char** argv);

}  // namespace slotmatch
