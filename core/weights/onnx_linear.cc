#include "core/weights/onnx_linear.h"

#include <cstring>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace slotmatch {
namespace {

constexpr char kWeight[] = ".weight";
constexpr char kBias[] = ".bias";

// [in, out] -> [out, in].
TensorView Transpose(const TensorView& tensor, ArchiveContents* contents) {
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const auto columns = static_cast<size_t>(tensor.shape[1]);
  const size_t width = ByteSize(tensor.dtype);
  std::vector<uint8_t>& bytes = contents->owned.emplace_back(tensor.bytes.size());
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      std::memcpy(bytes.data() + (column * rows + row) * width,
                  tensor.bytes.data() + (row * columns + column) * width, width);
    }
  }
  return {tensor.dtype, {tensor.shape[1], tensor.shape[0]}, absl::MakeSpan(bytes)};
}

// The layer that adds an initialiser STEM.bias to the value `product`; empty when none does.
std::string StemOf(const OnnxNode& add, const std::string& product,
                   const ArchiveContents& contents) {
  if (add.op != "Add" || add.inputs.size() != 2) return "";
  const std::string& bias = add.inputs[0] == product ? add.inputs[1] : add.inputs[0];
  if (!absl::EndsWith(bias, kBias) || contents.tensors.count(bias) == 0) return "";
  return std::string(absl::StripSuffix(bias, kBias));
}

void Rename(const std::string& from, const std::string& to, ArchiveContents* contents) {
  const auto found = contents->tensors.find(from);
  if (found == contents->tensors.end() || found->second.shape.size() != 2 ||
      absl::EndsWith(from, kWeight) || contents->tensors.count(to) > 0) {
    return;
  }
  contents->tensors.emplace(to, Transpose(found->second, contents));
  contents->tensors.erase(from);
}

}  // namespace

void NameLinearWeights(const std::vector<OnnxNode>& nodes, ArchiveContents* contents) {
  std::map<std::string, std::string> weights;  // by the product that they make
  for (const OnnxNode& node : nodes) {
    if (node.op == "MatMul" && node.inputs.size() == 2 && node.outputs.size() == 1) {
      weights[node.outputs[0]] = node.inputs[1];
    }
  }
  for (const OnnxNode& node : nodes) {
    for (const std::string& input : node.inputs) {
      const auto weight = weights.find(input);
      const std::string stem = weight == weights.end() ? "" : StemOf(node, input, *contents);
      if (!stem.empty()) Rename(weight->second, stem + kWeight, contents);
    }
  }
}

}  // namespace slotmatch
