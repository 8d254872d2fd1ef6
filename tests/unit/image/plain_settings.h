#pragma once

#include "slotmatch/config/manifest.pb.h"

namespace slotmatch {

// Settings whose normalisation changes nothing.
inline config::Preprocessing PlainSettings() {
  config::Preprocessing settings;
  for (int c = 0; c < 3; ++c) {
    settings.add_mean(0);
    settings.add_std(1);
  }
  return settings;
}

}  // namespace slotmatch
