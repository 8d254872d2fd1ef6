#pragma once

#include <ATen/autocast_mode.h>
#include <torch/version.h>

// What LibTorch 1.13 (Debian's, CPU) and 2.x (with CUDA) call differently; the one place that asks
// for the version.
#define SLOTMATCH_TORCH_2 (TORCH_VERSION_MAJOR >= 2)

namespace slotmatch::compat {

#if SLOTMATCH_TORCH_2
inline bool AutocastEnabled(at::DeviceType device) {
  return at::autocast::is_autocast_enabled(device);
}
inline void SetAutocastEnabled(at::DeviceType device, bool enabled) {
  at::autocast::set_autocast_enabled(device, enabled);
}
inline void SetAutocastType(at::DeviceType device, at::ScalarType type) {
  at::autocast::set_autocast_dtype(device, type);
}
#else
inline bool AutocastEnabled(at::DeviceType) { return at::autocast::is_cpu_enabled(); }
inline void SetAutocastEnabled(at::DeviceType, bool enabled) {
  at::autocast::set_cpu_enabled(enabled);
}
inline void SetAutocastType(at::DeviceType, at::ScalarType type) {
  at::autocast::set_autocast_cpu_dtype(type);
}
#endif

}  // namespace slotmatch::compat
