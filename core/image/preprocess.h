#pragma once

#include "absl/types/span.h"
#include "core/image/image.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// From source pixels to the model's input: geometry, resize, clamp to [0, 1], normalise. The one
// definition for trainer and server. BICUBIC follows the reference transforms (a = -0.75,
// align_corners = false, no antialias; slotcontrast/data/transforms.py).
// `out` is [3, height_px, width_px] and must have that size. Thread-safe.
void Preprocess(const Image& image, const config::Preprocessing& settings, int height_px,
                int width_px, absl::Span<float> out);

// Nearest-exact resize of a label map [height, width] with the same geometry, for ground truth
// (source index floor((d + 0.5) * in / out)).
std::vector<uint8_t> ResizeLabels(const std::vector<uint8_t>& labels, int width, int height,
                                  config::Preprocessing::Geometry geometry, int out_width,
                                  int out_height);

}  // namespace slotmatch
