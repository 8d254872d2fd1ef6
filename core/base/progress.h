#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace slotmatch {

// Progress of long work on stderr: a bar redrawn in place on a terminal, a line every few seconds
// otherwise: "train  120/3700  8.3 steps/s  ETA 7m10s  loss 0.71". Not thread-safe.
class Progress {
 public:
  // `unit` as in "frames"; total 0: unknown. `enabled` false prints nothing.
  Progress(std::string title, std::string unit, int64_t total, bool enabled = true);
  ~Progress();  // Finish()

  void Update(int64_t done, const std::string& note = "");
  void Finish();

 private:
  void Print(absl::Time now, bool last);

  std::string title_, unit_, note_;
  int64_t total_, done_ = 0, first_done_ = -1;
  bool enabled_, terminal_, finished_ = false;
  absl::Time start_, printed_ = absl::InfinitePast();
};

}  // namespace slotmatch
