#pragma once

#include <utility>
#include <vector>

#include "client/frame_source.h"

namespace slotmatch {

// Frames up to the end; the status that ended them.
inline absl::Status ReadAll(FrameSource* source, std::vector<ClientFrame>* frames) {
  for (;;) {
    auto frame = source->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) return absl::OkStatus();
    frames->push_back(*std::move(*frame));
  }
}

}  // namespace slotmatch
