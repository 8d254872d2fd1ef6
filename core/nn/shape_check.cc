#include "core/nn/shape_check.h"

#include <sstream>

namespace slotmatch {
namespace {

std::string Expected(std::initializer_list<Dim> dims) {
  std::ostringstream text;
  const char* comma = "[";
  for (const Dim& dim : dims) {
    text << comma << dim.letter;
    if (dim.size >= 0) text << "=" << dim.size;
    comma = ", ";
  }
  text << "]";
  return text.str();
}

bool Fits(const torch::Tensor& tensor, std::initializer_list<Dim> dims) {
  if (!tensor.defined() || tensor.dim() != static_cast<int64_t>(dims.size())) return false;
  int64_t axis = 0;
  for (const Dim& dim : dims) {
    const int64_t size = tensor.size(axis++);
    if (dim.size >= 0 && dim.size != size) return false;
  }
  return true;
}

}  // namespace

void CheckShape(const char* what, const torch::Tensor& tensor,
                std::initializer_list<Dim> expected) {
  if (Fits(tensor, expected)) return;
  std::ostringstream got;
  if (tensor.defined()) {
    got << tensor.sizes();
  } else {
    got << "nothing";
  }
  TORCH_CHECK(false, what, ": expected ", Expected(expected), ", got ", got.str());
}

}  // namespace slotmatch
