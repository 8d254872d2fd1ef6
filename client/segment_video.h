#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/channel.h"

namespace slotmatch {

struct SegmentOptions {
  std::string source;            // see OpenFrameSource
  std::string out;               // folder of the results; empty: none are written
  std::string model;             // empty: the server's default
  std::string masks = "source";  // source, grid or none
  std::string codec = "jpeg";    // how pictures without bytes of their own are sent: jpeg, png, raw
  int64_t jpeg_quality = 95;
  int64_t stride = 1;        // sends every n-th frame
  int64_t max_frames = 0;    // 0: all
  double resume_for_s = 60;  // how long to look for a server, or a live source, that is lost
  std::string stdin_format = "mjpeg";  // see OpenStdin
  // What the server does with frames that come faster than it computes: block, latest,
  // drop-oldest or drop-newest; empty: latest for live sources, else block.
  std::string frame_policy;
  bool skip_duplicates = false;  // frames equal to the one before are not computed
  std::string scheduling_class;  // of the server's; empty: its default
  bool progress = true;
  std::atomic<bool>* stop = nullptr;  // borrowed; true: send no more
};

struct SegmentReport {
  std::shared_ptr<const nlohmann::json> summary;  // null when the session never opened
  absl::Status status;  // how it ended; the results up to there are written
};

// Sends the source's frames through one session, which goes on at another server when one is lost,
// and writes the results.
SegmentReport SegmentVideo(const Connector& connect, const SegmentOptions& options);

}  // namespace slotmatch
