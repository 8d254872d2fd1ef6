#include "core/base/device_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(DeviceName, KnowsTheNamesOfDevices) {
  for (const char* name : {"cpu", "auto", "cuda", "cuda:0", "cuda:12"}) {
    EXPECT_TRUE(CheckDeviceName("compute.device", name).ok()) << name;
  }
}

TEST(DeviceName, OtherNamesAreRefusedWithTheSettingAndWhatItCanBe) {
  for (const char* name : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "cuda 0"}) {
    const absl::Status status = CheckDeviceName("compute.device", name);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_EQ(std::string(status.message()), std::string("compute.device is '") + name +
                                                 "'; it must be cpu, cuda, cuda:N or auto");
  }
}

}  // namespace
}  // namespace slotmatch
