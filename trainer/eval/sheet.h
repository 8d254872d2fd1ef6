#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/image/image.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

struct SheetCell {
  Image image;
  LabelMap labels;  // of the image's size, laid over it; empty: none
};
using SheetRow = std::vector<SheetCell>;

// Writes a contact sheet, PNG: one row a video, its frames side by side, objects by
// colour. Rows keep their pictures' shape; shorter rows end in black. No row may be empty.
absl::Status WriteSheet(const std::string& path, const std::vector<SheetRow>& rows);

}  // namespace slotmatch
