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
  VideoModel model{nullptr};       // the model that trains
  torch::Tensor tokens;            // [B, T, N, D] normalised targets, no gradient
  torch::Tensor keys;              // [B, T, N, D] of the backbone, raw, no gradient; see kNeedsKeys
  ScanResult scan;                 // of the model
  torch::Tensor token_index;       // [N'] int64; undefined: all tokens
  DecodeResult decoded;            // over token_index; undefined tensors when no loss needs it
  torch::Tensor features;          // [B, T, N, S] of the model's feature transform
  torch::Tensor teacher_slots;     // [B, T, K, S], no gradient; undefined without a teacher
  torch::Tensor teacher_features;  // [B, T, N, S], no gradient; see kNeedsTeacherFeatures
  torch::Tensor projected_reconstruction;  // [B, T, N', D'] at the teacher's token width, with the
  torch::Tensor teacher_reconstruction;  // [B, T, N', D'], no gradient: kNeedsTeacherReconstruction
  // Slots of all processes' clips [B', T, K, S], this one's from `first_clip` on; undefined: the
  // process knows its own alone. See gather_negatives.
  torch::Tensor all_slots;
  int64_t first_clip = 0;
};

using LossFunction = torch::Tensor (*)(const LossInputs&, const config::LossConfig&);

// What a loss needs besides tokens and scan. A row's needs are these bits together.
enum LossNeed : unsigned {
  kNeedsDecoder = 1 << 0,         // decoded.masks, and what the model's decoder.outputs name
  kNeedsReconstruction = 1 << 1,  // decoded.reconstruction
  kNeedsSimilarity = 1 << 2,      // decoded.similarity
  kNeedsKeys = 1 << 3,
  kNeedsTeacher = 1 << 4,
  kNeedsGroupingHead = 1 << 5,
  kNeedsTwoFrames = 1 << 6,
  kNeedsTeacherFeatures = 1 << 7,        // features, teacher_features
  kNeedsTeacherReconstruction = 1 << 8,  // projected_reconstruction, teacher_reconstruction
};

// A row of the loss table. `function` returns a scalar, unweighted.
struct LossRow {
  const char* name;
  LossFunction function;
  unsigned needs;
};

const std::vector<LossRow>& LossTable();
// kInvalidArgument names the rows there are.
absl::StatusOr<const LossRow*> FindLoss(const std::string& name);

// Whether a loss of the config has this need. A loss of weight 0 is as if it were not there.
bool AnyLossNeeds(const config::TrainConfig& config, LossNeed need);
// What is wrong with the losses of a config, one sentence each: none at all, unknown names, needs
// that model, teacher or clips do not meet.
std::vector<std::string> LossProblems(const config::TrainConfig& config, bool has_teacher);

}  // namespace slotmatch
