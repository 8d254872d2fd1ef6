#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

// What a process holds at one moment of a soak.
struct Sample {
  double seconds = 0;  // since the beginning
  int64_t frames = 0;  // answered up to now
  int64_t sessions = 0;
  int64_t rss_bytes = 0;
  int64_t fds = 0;
  int64_t threads = 0;
};

// Of the process `pid`, from /proc; the first three fields are left alone. NOT_FOUND when it has
// ended.
absl::StatusOr<Sample> SampleProcess(pid_t pid);

std::string CsvOf(const std::vector<Sample>& samples);

struct SoakBounds {
  double rss_bytes_per_frame = 16;  // slope of the straight line through the samples
  int64_t fds = 4, threads = 2;     // more at the end than after the warm-up
};

struct SoakVerdict {
  double rss_bytes_per_frame = 0;
  int64_t fds = 0, threads = 0;
  std::string text;     // one line each, with its bound
  absl::Status status;  // kInternal names what grows
};

// Looks at the samples after the first fifth of the frames, in which caches fill.
// kInvalidArgument: fewer than 10 of them.
absl::StatusOr<SoakVerdict> Judge(const std::vector<Sample>& samples, const SoakBounds& bounds);

}  // namespace slotmatch
