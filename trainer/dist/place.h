#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

// Where a process stands among those that train one model.
struct ProcessPlace {
  int rank = 0, size = 1;              // of all processes
  int local_rank = 0, local_size = 1;  // of those on this machine
  std::string address;                 // host of process 0
  int port = 0;                        // where its key-value store listens
  // The launcher's own store listens there (torchrun), and every process is its client.
  bool store_is_up = false;

  bool first() const { return rank == 0; }
};

// By torchrun's convention: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR,
// MASTER_PORT. Without WORLD_SIZE the process is alone. kFailedPrecondition names the variable that
// is missing or wrong.
absl::StatusOr<ProcessPlace> PlaceFromEnvironment();

}  // namespace slotmatch
