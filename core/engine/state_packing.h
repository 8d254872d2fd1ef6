#pragma once

#include "absl/status/status.h"
#include "slotmatch/state/session_snapshot.pb.h"

namespace slotmatch {

// Moves `slots` and `track` of a snapshot into `slots_low` and `packed`, which take less room, and
// back, exactly. The lower bytes of float32 numbers do not compress, their signs and exponents do.
void PackSnapshot(state::SessionSnapshot* snapshot);
// DATA_LOSS for bytes that PackSnapshot() did not make, or more of them than any state has.
absl::Status UnpackSnapshot(state::SessionSnapshot* snapshot);

}  // namespace slotmatch
