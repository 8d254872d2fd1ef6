#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace slotmatch {

// `count` JPEG pictures of discs that move over a plain ground.
std::vector<std::string> DrawPictures(int count, cv::Size size);

// Up to `count` JPEG pictures of a source as OpenFrameSource knows it; drawn ones of 640x360 when
// `source` is empty. Statuses of OpenFrameSource.
absl::StatusOr<std::vector<std::string>> ReadPictures(const std::string& source, int count);

}  // namespace slotmatch
