#pragma once

#include <memory>
#include <opencv2/core.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "client/frame_source.h"

namespace slotmatch {

// The picture as the server sees it: not turned by the camera's orientation mark. Empty when
// `bytes` are no picture.
cv::Mat DecodeBgr(const std::string& bytes);

// The .jpg and .png files of a folder, in name order. NOT_FOUND when it has none.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenFolder(const std::string& folder);

// The files a shell pattern (* ? [...]) matches, in name order; each must be a picture. NOT_FOUND
// when it matches none.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenPattern(const std::string& pattern);
bool IsPattern(const std::string& where);

}  // namespace slotmatch
