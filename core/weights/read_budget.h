#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slotmatch {

// Bounds the memory a reader takes for a file, whatever the file says. Not thread-safe.
class ReadBudget {
 public:
  // `factor` bytes for each of the `size` bytes read, and 1 MiB.
  ReadBudget(uint64_t size, uint64_t factor) : limit_(size * factor + (uint64_t{1} << 20)) {}

  // kDataLoss when the charges together pass the limit. Called before the memory is taken.
  absl::Status Charge(uint64_t bytes) {
    if (bytes > limit_ - used_) {
      return absl::DataLossError(
          absl::StrCat("would take more than ", limit_, " bytes of memory to read"));
    }
    used_ += bytes;
    return absl::OkStatus();
  }

 private:
  const uint64_t limit_;
  uint64_t used_ = 0;
};

}  // namespace slotmatch
