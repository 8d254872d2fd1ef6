#include "core/model/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

namespace slotmatch {
namespace {

using testing::HasSubstr;

TEST(Device, TheCpuIsAlwaysThere) {
  EXPECT_TRUE(FindDevice("cpu").value().is_cpu());
  EXPECT_FALSE(FindDevice("gpu").ok());
}

TEST(Device, AutoIsTheBestThatThereIs) {
  EXPECT_EQ(FindDevice("auto").value().is_cuda(), torch::cuda::is_available());
}

TEST(Device, AGpuThatIsNotThereIsAnErrorThatCountsThem) {
  const absl::Status status = FindDevice("cuda:999").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("device cuda:999 needs GPU number 999"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cpu and auto always work"));
}

TEST(Device, OfAModuleIsThatOfItsParameters) {
  torch::nn::Linear linear(2, 3);
  EXPECT_TRUE(DeviceOf(*linear).is_cpu());
  EXPECT_TRUE(DeviceOf(torch::nn::ReLUImpl()).is_cpu());
}

}  // namespace
}  // namespace slotmatch
