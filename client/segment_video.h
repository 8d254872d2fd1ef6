#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace slotmatch {

struct SegmentOptions {
  std::string source;            // see OpenFrameSource
  std::string out;               // folder of the results; empty: none are written
  std::string model;             // empty: the server's default
  std::string masks = "source";  // source, grid or none
  std::string codec = "jpeg";    // how pictures without bytes of their own are sent: jpeg, png, raw
  int64_t jpeg_quality = 95;
  int64_t stride = 1;      // sends every n-th frame
  int64_t max_frames = 0;  // 0: all
  bool progress = true;
  std::atomic<bool>* stop = nullptr;  // borrowed; true: send no more
};

struct SegmentReport {
  std::shared_ptr<const nlohmann::json> summary;  // null when the session never opened
  absl::Status status;  // how it ended; the results up to there are written
};

// Sends the source's frames through one session and writes the results.
SegmentReport SegmentVideo(const std::shared_ptr<grpc::Channel>& channel,
                           const SegmentOptions& options);

}  // namespace slotmatch
