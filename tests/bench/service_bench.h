#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace slotmatch {

// The real server as a process of its own, driven by real streams over loopback.
class ServiceBench {
 public:
  struct Options {
    std::string server;  // program
    std::string model;   // model directory
    std::string video;   // where the frames come from, sent as JPEG
    int threads = 0;     // of LibTorch in the server
  };
  static absl::StatusOr<std::unique_ptr<ServiceBench>> Start(const Options& options);
  virtual ~ServiceBench() = default;

  // Time from the first frame sent until the last result of `streams` streams of `steps` frames.
  virtual absl::StatusOr<absl::Duration> Run(int streams, int steps) = 0;
  virtual int64_t peak_rss_bytes() const = 0;  // of the server so far
};

}  // namespace slotmatch
