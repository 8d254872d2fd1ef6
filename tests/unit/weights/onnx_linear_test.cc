#include "core/weights/onnx_linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/weights/wire_fields.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

std::string Initializer(const std::string& name, const std::vector<int>& shape,
                        const std::string& bytes) {
  std::string tensor;
  for (const int side : shape) tensor += Number(1, side);
  return Field(5, tensor + Number(2, 2) + Field(8, name) + Field(9, bytes));  // 2: uint8
}
std::string Node(const std::string& op, const std::vector<std::string>& inputs,
                 const std::string& output) {
  std::string node;
  for (const std::string& input : inputs) node += Field(1, input);
  return Field(1, node + Field(2, output) + Field(4, op));
}

class OnnxLinear : public testing::Test {
 protected:
  std::shared_ptr<const TensorArchive> Open(const std::string& graph) {
    auto archive = OpenTensorArchive(dir_.Write("m.onnx", Number(1, 8) + Field(7, graph)));
    EXPECT_THAT(archive, IsOk());
    return *archive;
  }
  const TempDir dir_;
};

TEST_F(OnnxLinear, WeightGetsTheNameOfItsBiasAndItsLayout) {
  for (const bool bias_first : {true, false}) {
    const std::vector<std::string> sum = bias_first
                                             ? std::vector<std::string>{"fc1.bias", "product"}
                                             : std::vector<std::string>{"product", "fc1.bias"};
    const auto archive =
        Open(Initializer("onnx::MatMul_7", {2, 3}, {1, 2, 3, 4, 5, 6}) +
             Initializer("fc1.bias", {3}, {7, 8, 9}) +
             Node("MatMul", {"x", "onnx::MatMul_7"}, "product") + Node("Add", sum, "y"));
    ASSERT_EQ(archive->tensors().size(), 2u);
    const TensorView* weight = archive->Find("fc1.weight");
    ASSERT_NE(weight, nullptr);
    EXPECT_THAT(weight->shape, ElementsAre(3, 2));
    EXPECT_THAT(weight->bytes, ElementsAre(1, 4, 2, 5, 3, 6));
  }
}

TEST_F(OnnxLinear, WhatIsNamedOrNoLinearLayerStays) {
  const std::string weights =
      Initializer("a.weight", {1, 2}, {1, 2}) + Initializer("onnx::MatMul_1", {1, 2}, {3, 4}) +
      Initializer("onnx::MatMul_2", {2}, {5, 6}) + Initializer("b.bias", {2}, {7, 8}) +
      Initializer("scale", {2}, {9, 9});
  const char* const kept[] = {"a.weight", "onnx::MatMul_1", "onnx::MatMul_2", "b.bias", "scale"};
  const std::string graphs[] = {
      Node("MatMul", {"x", "a.weight"}, "p") + Node("Add", {"p", "b.bias"}, "y"),
      Node("MatMul", {"x", "onnx::MatMul_2"}, "p") + Node("Add", {"p", "b.bias"}, "y"),
      Node("MatMul", {"x", "onnx::MatMul_1"}, "p") + Node("Add", {"p", "scale"}, "y"),
      Node("MatMul", {"x", "onnx::MatMul_1"}, "p") + Node("Mul", {"p", "b.bias"}, "y"),
      Node("MatMul", {"x", "onnx::MatMul_1"}, "p") + Node("Add", {"q", "b.bias"}, "y"),
      Node("MatMul", {"x"}, "p") + Node("Add", {"p"}, "y") + Node("Add", {}, "z")};
  for (const std::string& graph : graphs) {
    const auto archive = Open(weights + graph);
    EXPECT_EQ(archive->tensors().size(), std::size(kept));
    for (const char* name : kept) EXPECT_NE(archive->Find(name), nullptr) << name;
  }
}

TEST_F(OnnxLinear, ATakenNameIsNotOverwritten) {
  const auto archive =
      Open(Initializer("onnx::MatMul_1", {1, 2}, {3, 4}) + Initializer("b.bias", {2}, {7, 8}) +
           Initializer("b.weight", {1, 1}, {5}) + Node("MatMul", {"x", "onnx::MatMul_1"}, "p") +
           Node("Add", {"p", "b.bias"}, "y"));
  EXPECT_THAT(archive->Find("b.weight")->bytes, ElementsAre(5));
  EXPECT_NE(archive->Find("onnx::MatMul_1"), nullptr);
}

TEST_F(OnnxLinear, DamagedNodesAreDataLoss) {
  const std::string cut = Field(1, std::string("\x0a\x7f", 2) + "x");
  EXPECT_THAT(OpenTensorArchive(dir_.Write("m.onnx", Number(1, 8) + Field(7, cut))),
              FailsWith(absl::StatusCode::kDataLoss, "damaged or truncated"));
}

}  // namespace
}  // namespace slotmatch
