#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/frame_source.h"

namespace slotmatch {

// Frames from a pipe. `format`: "mjpeg", JPEG files one after the other, as cameras and
// ffmpeg -f mjpeg write them; or bare pixels, as ffmpeg -f rawvideo writes them: "bgr24:640x360",
// also rgb24 and gray. `file` is borrowed. INVALID_ARGUMENT: no such format.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenStdin(const std::string& format, std::FILE* file);

}  // namespace slotmatch
