#pragma once

#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// Adds one object of a COCO-style annotation to a label map of the frame's size, whose pixels are 0
// where no object is yet: its pixels become `id`, those that another object holds kOverlapLabel.
// `segmentation`: null (the object is out of sight), a list of polygons, or {"counts", "size"} with
// counts as a list of runs or as a compressed string. kDataLoss: anything else, or a size that is
// not the map's. Thread-safe.
absl::Status AddObject(const nlohmann::json& segmentation, uint8_t id, LabelMap* map);

}  // namespace slotmatch
