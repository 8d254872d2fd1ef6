#include "trainer/loop/init_from.h"

#include <torch/torch.h>

#include <cmath>

#include "core/base/status.h"
#include "core/model/model_io.h"
#include "core/nn/vit.h"

namespace slotmatch {
namespace {

bool IsSquare(int64_t tokens) {
  const int64_t side = std::lround(std::sqrt(static_cast<double>(tokens)));
  return side * side == tokens;
}

// Tables of VideoModel that hold one row [D] per token of the input's grid: [..., N, D].
bool IsPositionTable(const std::string& key, const torch::Tensor& ours,
                     const torch::Tensor& theirs) {
  if (key != "encoder.module.position" && key != "decoder.module.pos_emb") return false;
  return ours.dim() == theirs.dim() && ours.size(-1) == theirs.size(-1) &&
         theirs.numel() == theirs.size(-2) * theirs.size(-1) && IsSquare(ours.size(-2)) &&
         IsSquare(theirs.size(-2));
}

// [..., N', D] -> [1, N, D].
torch::Tensor ToGrid(const torch::Tensor& table, int64_t tokens) {
  const int64_t side = std::lround(std::sqrt(static_cast<double>(tokens)));
  const torch::Tensor rows = table.reshape({1, -1, table.size(-1)});
  const torch::Tensor no_class = torch::zeros({1, 1, rows.size(2)}, rows.options());
  return ResamplePositions(torch::cat({no_class, rows}, 1), side, side).slice(1, 1);
}

}  // namespace

absl::StatusOr<InitReport> InitFrom(const std::string& directory, PartCache* cache,
                                    VideoModel* model) {
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(directory, cache));
  torch::NoGradGuard no_grad;
  InitReport report;
  for (auto [key, tensor] : NamedTensors(**model, {})) {
    const TensorView* view = files.Find(key);
    const torch::Tensor theirs = view == nullptr ? torch::Tensor() : ToTorch(*view);
    if (theirs.defined() && theirs.sizes() == tensor.sizes()) {
      tensor.copy_(theirs);
      ++report.copied;
    } else if (theirs.defined() && IsPositionTable(key, tensor, theirs)) {
      tensor.copy_(ToGrid(theirs, tensor.size(-2)).view_as(tensor));
      report.resampled.push_back(key);
    } else {
      report.missing.push_back(key);
    }
  }
  return report;
}

}  // namespace slotmatch
