#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/image/image.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// One column of a contact strip.
struct StripFrame {
  Image image;
  LabelMap prediction;
  LabelMap truth;  // empty: no row for it
};

// Writes a PNG: sources, overlays of the prediction and of the truth below each other, one column
// a frame. Colours follow the label, as in the client's overlay.
absl::Status WriteStrip(const std::string& path, const std::vector<StripFrame>& frames);

}  // namespace slotmatch
