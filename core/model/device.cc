#include "core/model/device.h"

#include <torch/torch.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/device_name.h"
#include "core/base/log.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

// Once a process: every model asks.
void TellOfCpu() {
  static const bool told = [] {
    SM_INFO("device auto: no CUDA device can be used here, computing on the CPU");
    return true;
  }();
  static_cast<void>(told);
}

torch::Device Gpu(int64_t number) {
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(number));
}

}  // namespace

absl::StatusOr<torch::Device> FindDevice(const std::string& name, int local_rank) {
  SM_RETURN_IF_ERROR(CheckDeviceName("device", name));
  if (name == "cpu") return torch::Device(torch::kCPU);
  const int64_t count =
      torch::cuda::is_available() ? static_cast<int64_t>(torch::cuda::device_count()) : 0;
  if (name == "auto") {
    if (count > 0) return Gpu(local_rank % count);
    TellOfCpu();
    return torch::Device(torch::kCPU);
  }
  const int64_t number = name == "cuda" ? local_rank : std::atoi(name.c_str() + name.find(':') + 1);
  if (number < count) return Gpu(number);
  return absl::FailedPreconditionError(absl::StrCat(
      "device ", name, " needs GPU number ", number, "; this machine and this build have ", count,
      " CUDA device", count == 1 ? "" : "s", "; cpu and auto always work"));
}

torch::Device DeviceOf(const torch::nn::Module& module) {
  const auto parameters = module.parameters();
  return parameters.empty() ? torch::Device(torch::kCPU) : parameters.front().device();
}

}  // namespace slotmatch
