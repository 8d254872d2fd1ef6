#pragma once

#include "absl/types/span.h"
#include "core/image/image.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// From source pixels to the model's input: the fixed geometry of `settings`, then TransformImage()
// of core/image/transform.h. The one definition for trainer and server.
// `out` is [3, height_px, width_px] and must have that size. Thread-safe.
void Preprocess(const Image& image, const config::Preprocessing& settings, int height_px,
                int width_px, absl::Span<float> out);

}  // namespace slotmatch
