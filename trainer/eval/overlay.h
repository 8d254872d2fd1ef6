#pragma once

#include <opencv2/core.hpp>

#include "core/image/image.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// The picture as OpenCV holds pictures, BGR.
cv::Mat ToBgr(const Image& image);

// `source` (BGR) with each label's colour laid over it, as in the client's overlay; the map has the
// picture's size. The colour of label l is that of l + first_color; colour 0 leaves pixels as they
// are.
cv::Mat LayOver(const cv::Mat& source, const LabelMap& map, int first_color);

}  // namespace slotmatch
