#include "trainer/convert/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/base/files.h"
#include "core/model/model_io.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/trainer/convert/views.h"

namespace slotmatch {
namespace {

// One tensor of every type, an empty one, a scalar, and two that share a storage.
std::map<std::string, torch::Tensor> OddTensors() {
  torch::manual_seed(50);
  std::map<std::string, torch::Tensor> tensors;
  for (const auto type : {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16,
                          torch::kInt64, torch::kInt32, torch::kUInt8, torch::kBool}) {
    tensors[c10::toString(type)] = (torch::randn({3, 5}) * 4).to(type);
  }
  tensors["empty"] = torch::zeros({0, 4});
  tensors["scalar"] = torch::tensor(2.5F);
  return tensors;
}

torch::IValue Read(const std::string& path) {
  const std::string bytes = ReadFile(path).value();
  return torch::pickle_load({bytes.begin(), bytes.end()});
}

void ExpectSame(const c10::impl::GenericDict& read,
                const std::map<std::string, torch::Tensor>& tensors) {
  EXPECT_EQ(read.size(), tensors.size());
  for (const auto& [key, tensor] : tensors) {
    ASSERT_TRUE(read.contains(key)) << key;
    EXPECT_TRUE(BitIdentical(read.at(key).toTensor(), tensor)) << key;
  }
}

TEST(WriteTorchFile, TorchReadsTheSameTensors) {
  const std::string path = FreshDirectory("torch_file") + "/odd.pth";
  const auto tensors = OddTensors();
  ASSERT_THAT(WriteTorchFile(path, Views(tensors)), IsOk());
  ExpectSame(Read(path).toGenericDict(), tensors);
}

TEST(WriteTorchFile, LightningKeepsEpochStepAndState) {
  const std::string path = FreshDirectory("torch_file") + "/odd.ckpt";
  const auto tensors = OddTensors();
  ASSERT_THAT(WriteTorchFile(path, Views(tensors), LightningState{2, 70000}), IsOk());
  const auto checkpoint = Read(path).toGenericDict();
  EXPECT_EQ(checkpoint.at("epoch").toInt(), 2);
  EXPECT_EQ(checkpoint.at("global_step").toInt(), 70000);
  EXPECT_TRUE(checkpoint.at("pytorch-lightning_version").isString());
  ExpectSame(checkpoint.at("state_dict").toGenericDict(), tensors);
}

TEST(WriteTorchFile, NoFunctionOfTorchScriptIsCalledByAReader) {
  const std::string path = FreshDirectory("torch_file") + "/odd.pth";
  ASSERT_THAT(WriteTorchFile(path, Views(OddTensors())), IsOk());
  const std::string bytes = ReadFile(path).value();
  EXPECT_THAT(bytes, testing::Not(testing::HasSubstr("torch.jit")));
  EXPECT_THAT(bytes, testing::HasSubstr("_rebuild_tensor_v2"));
}

TEST(WriteTorchFile, UnwritablePlacesAreNamed) {
  EXPECT_FALSE(WriteTorchFile("/proc/no/such.pth", {}).ok());
}

}  // namespace
}  // namespace slotmatch
