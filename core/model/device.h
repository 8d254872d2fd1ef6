#pragma once

#include <torch/nn/module.h>

#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

// The device of a name that CheckDeviceName (core/base/device_name.h) allows. "cuda" is the GPU
// number `local_rank`, so that processes of one machine share its GPUs out; "auto" is the same
// where there is one, else the CPU, which one log line of the process says. kFailedPrecondition:
// the name is none, or this build or this machine has no such GPU.
absl::StatusOr<torch::Device> FindDevice(const std::string& name, int local_rank = 0);

// Where the module's parameters lie; the CPU for a module without any.
torch::Device DeviceOf(const torch::nn::Module& module);

}  // namespace slotmatch
