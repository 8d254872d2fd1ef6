#pragma once

#include "absl/status/status.h"

namespace slotmatch {

// slotmatch_bench from its command line to its end: every number of sessions with every rate, in
// the order given. The first status that is not OK, of LoadVerdict() or of a level that could not
// be measured; the levels after it are measured all the same. kDeadlineExceeded also when a p99 is
// over --max-p99.
absl::Status RunBench(int argc, char** argv);

}  // namespace slotmatch
