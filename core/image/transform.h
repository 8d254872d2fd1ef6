#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "core/image/image.h"
#include "slotmatch/config/model.pb.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// The reference's transforms (slotcontrast/data/transforms.py, transforms_video.py) as a plan that
// is made once for a picture's size and then applied to pictures and label maps of that size.
// Everything here is pure and thread-safe.

struct PixelSize {
  int width = 0, height = 0;
};

struct PixelBox {
  int top = 0, left = 0, height = 0, width = 0;
};

// In this order: `source` is cut out of the picture, resized to `resized`, `window` is cut out of
// that, and mirrored left to right. `window` has the size of the output.
struct FrameTransform {
  PixelBox source;
  PixelSize resized;
  PixelBox window;
  bool flip = false;
};

// The plan of a fixed geometry. Halves of a centre's offset are rounded to even, as the reference
// does.
FrameTransform PlanTransform(config::Preprocessing::Geometry geometry, PixelSize in, PixelSize out);

// `box` of the picture, resized to `out`.
FrameTransform PlanResizedCrop(const PixelBox& box, PixelSize out);

// Size of the picture after it was resized, keeping its shape, until it just covers `out`: for a
// square its short side becomes the square's, and the long one floor(long / short * side).
PixelSize CoveringSize(PixelSize in, PixelSize out);
// Resized to CoveringSize(), then the part of size `out` at (top, left) of that.
FrameTransform PlanCoveringCrop(PixelSize in, PixelSize out, int top, int left);

// A random plan; `crop.kind()` must not be NONE. `uniform` gives numbers in [0, 1). RESIZED tries
// ten boxes and then takes the largest central one of allowed aspect, as torchvision does.
FrameTransform PlanRandomCrop(const config::RandomCrop& crop, PixelSize in, PixelSize out,
                              const std::function<double()>& uniform);

// Resize, clamp to [0, 1], normalise. BICUBIC: a = -0.75, align_corners = false, no antialias. AREA
// shows the window's part of the source to the nearest source pixel.
// `out` is [3, window.height, window.width] and must have that size. Of `settings` the geometry is
// not looked at.
void TransformImage(const Image& image, const FrameTransform& transform,
                    const config::Preprocessing& settings, absl::Span<float> out);

// Nearest-exact (source index floor((d + 0.5) * in / out)) over one plane [height, width] of labels
// or of one mask; returns [window.height, window.width].
std::vector<uint8_t> TransformLabels(absl::Span<const uint8_t> plane, PixelSize in,
                                     const FrameTransform& transform);

}  // namespace slotmatch
