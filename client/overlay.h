#pragma once

#include <opencv2/core.hpp>

#include "core/image/mask_codec.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// Colour of a temporal ID, BGR: neighbouring IDs are far apart in hue; the same for ever.
cv::Vec3b OverlayColor(uint64_t temporal_id);

// The frame with every slot's mask tinted in the colour of its ID, edges drawn and the ID written
// into each object that is large enough. `map` has the frame's size.
cv::Mat DrawOverlay(const cv::Mat& bgr, const LabelMap& map, const v1::FrameResult& result);

}  // namespace slotmatch
