#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Everything a loss may look at. Shapes: B clips, T frames, K slots, S slot width, N tokens,
// N' tokens reconstructed this step, D token width.
struct LossInputs {
  VideoModel model{nullptr};    // the model that trains
  torch::Tensor tokens;         // [B, T, N, D] normalised targets, no gradient
  ScanResult scan;              // of the model
  torch::Tensor token_index;    // [N'] int64; undefined: all tokens
  DecodeResult decoded;         // over token_index; undefined tensors when no loss needs it
  torch::Tensor teacher_slots;  // [B, T, K, S], no gradient; undefined without a teacher
};

using LossFunction = torch::Tensor (*)(const LossInputs&, const config::LossConfig&);

// A row of the loss table. `function` returns a scalar, unweighted.
struct LossRow {
  const char* name;
  LossFunction function;
  bool needs_decoder;
  bool needs_teacher;
  bool needs_grouping_head;
};

const std::vector<LossRow>& LossTable();
// kInvalidArgument names the rows there are.
absl::StatusOr<const LossRow*> FindLoss(const std::string& name);

}  // namespace slotmatch
