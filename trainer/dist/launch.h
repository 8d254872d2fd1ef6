#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// A port of 127.0.0.1 that nobody listens on at this moment.
absl::StatusOr<int> FreePort();

// Runs `program` with `arguments` (argv[0] first) in `count` processes on this machine, with
// torchrun's environment, and waits for all. `stop` is a signal to pass on to them, or 0. When one
// fails, the others are asked to end and killed after a few seconds. They die with this process.
// OK when all end with 0; else the status that belongs to the exit code of the first that failed,
// or kUnavailable when a signal ended it.
absl::Status RunProcesses(const std::string& program, const std::vector<std::string>& arguments,
                          int count, const std::atomic<int>& stop);

}  // namespace slotmatch
