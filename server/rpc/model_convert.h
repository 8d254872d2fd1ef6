#pragma once

#include "core/engine/segmenter.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// What the wire says about a model; its training only where that is known.
v1::ModelInfo ToWire(const ModelInfo& info);

}  // namespace slotmatch
