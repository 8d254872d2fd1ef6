#pragma once

#include <string>
#include <vector>

#include "core/weights/tensor_archive.h"

namespace slotmatch {

// As much of a graph's node as naming needs.
struct OnnxNode {
  std::string op;  // "MatMul", "Add", ...
  std::vector<std::string> inputs, outputs;
};

// Exporters fold a linear layer's transpose into its weight and lose the name: it becomes
// "onnx::MatMul_123" [in, out], while the bias stays "STEM.bias". Where the graph adds such a bias
// to the product, the weight becomes "STEM.weight" [out, in], a copy in `contents->owned`. Weights
// whose name ends with ".weight", and names that are taken, stay. Each weight is copied once at
// most.
void NameLinearWeights(const std::vector<OnnxNode>& nodes, ArchiveContents* contents);

}  // namespace slotmatch
