#pragma once

namespace slotmatch {

// A metric of the reference by its name in the fixtures, and the row of trainer/eval/metric_table
// that is it.
struct ReferenceMetric {
  const char* reference;
  const char* row;
};
inline constexpr ReferenceMetric kReferenceMetrics[] = {
    {"ari", "video_fg_ari"},
    {"image_ari", "image_fg_ari"},
    {"mbo", "video_mbo"},
    {"image_mbo", "image_mbo"},
    {"hungarian_iou", "video_hungarian_iou"},
    {"image_hungarian_iou", "image_hungarian_iou"},
};

}  // namespace slotmatch
