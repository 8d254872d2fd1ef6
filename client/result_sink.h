#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <opencv2/core.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// Where and how results are written.
struct SinkOptions {
  std::string folder;             // empty: nothing is written, statistics only
  double frames_per_second = 25;  // of overlay.mp4
  bool masks = true;              // overlay.mp4 and masks/; false: the other files only
};

// Writes overlay.mp4, masks/%05d.png, slots.jsonl while results come in, and slots.safetensors and
// summary.json at the end, so that a stream cut short leaves everything up to the cut. Not
// thread-safe.
class ResultSink {
 public:
  // ALREADY_EXISTS (cannot create) when the folder cannot be written.
  static absl::StatusOr<std::unique_ptr<ResultSink>> Open(const SinkOptions& options,
                                                          const v1::SessionOpened& opened);
  virtual ~ResultSink() = default;

  // A frame and what the server said about it: a result, a frame error or that it was dropped.
  virtual absl::Status Add(const cv::Mat& bgr, const v1::SegmentResponse& response) = 0;

  // Closes the video and writes summary.json; `status` is how the stream ended. Returns the
  // summary.
  virtual absl::StatusOr<nlohmann::json> Close(const std::string& source, double seconds,
                                               const absl::Status& status) = 0;
};

}  // namespace slotmatch
