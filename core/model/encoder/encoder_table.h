#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/vit.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// A backbone variant: its name is timm's.
struct EncoderRow {
  const char* name;
  VitShape shape;
};

const std::vector<EncoderRow>& EncoderTable();

// The shape that a config asks for: the row of its variant with the config's overrides.
// kFailedPrecondition: unknown variant (lists the rows), depth out of range, sizes that do not fit.
absl::StatusOr<VitShape> EncoderShape(const config::EncoderConfig& config);

}  // namespace slotmatch
