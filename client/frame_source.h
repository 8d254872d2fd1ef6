#pragma once

#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

struct ClientFrame {
  cv::Mat bgr;          // for the overlay; 8-bit, 3 channels
  std::string encoded;  // the picture's own JPEG or PNG bytes when the source has them, else empty
};

// Where frames come from. Not thread-safe.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // nullopt after the last frame. DATA_LOSS: damaged or cut short; frames before it were given.
  virtual absl::StatusOr<std::optional<ClientFrame>> Next() = 0;
  virtual double frames_per_second() const { return 25; }
  virtual int64_t num_frames() const { return 0; }  // 0: not known
};

// A video file, a folder of pictures (.jpg, .png, in name order), "-" for Motion JPEG on standard
// input, a camera index ("0") or a stream URL ("rtsp://..."). NOT_FOUND: there is no such file;
// DATA_LOSS: it is no video; UNAVAILABLE: the camera or stream does not answer.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(const std::string& where);

}  // namespace slotmatch
