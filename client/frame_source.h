#pragma once

#include <atomic>
#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace slotmatch {

struct ClientFrame {
  cv::Mat bgr;          // for the overlay; 8-bit, 3 channels
  std::string encoded;  // the picture's own JPEG or PNG bytes when the source has them, else empty
  int64_t skipped = 0;  // frames of the source right before this one that nobody had time for
};

// Where frames come from. Not thread-safe.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // nullopt after the last frame. DATA_LOSS: damaged or cut short; frames before it were given.
  virtual absl::StatusOr<std::optional<ClientFrame>> Next() = 0;
  virtual double frames_per_second() const { return 25; }
  virtual int64_t num_frames() const { return 0; }  // 0: not known
  virtual bool live() const { return false; }       // frames come whether they are taken or not
};

struct SourceOptions {
  std::string stdin_format = "mjpeg";  // see OpenStdin
  // A camera or stream that breaks is opened again for as long.
  absl::Duration patience = absl::ZeroDuration();
  const std::atomic<bool>* stop = nullptr;  // borrowed; true: a live source ends
};

// A video file, a folder of pictures (.jpg, .png, in name order), a pattern of picture files
// ("in/*.png"), "-" for standard input, a camera ("0", "/dev/video0") or a stream URL
// ("rtsp://..."). Cameras and streams without an end are live. NOT_FOUND: there is no such file;
// DATA_LOSS: it is no video; UNAVAILABLE: the camera or stream does not answer.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(const std::string& where,
                                                             const SourceOptions& options = {});

}  // namespace slotmatch
