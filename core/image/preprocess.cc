#include "core/image/preprocess.h"

#include "core/image/transform.h"

namespace slotmatch {

void Preprocess(const Image& image, const config::Preprocessing& settings, int height_px,
                int width_px, absl::Span<float> out) {
  const FrameTransform transform =
      PlanTransform(settings.geometry(), {image.width, image.height}, {width_px, height_px});
  TransformImage(image, transform, settings, out);
}

}  // namespace slotmatch
