#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "core/weights/manifest.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/loop/train_data.h"
#include "trainer/loss/loss_heads.h"

namespace slotmatch {

// What a training computes with.
struct TrainModels {
  std::vector<Backbone> encoders;  // the views of a ClipBatch
  VideoModel teacher{nullptr};     // frozen; empty without one
  std::string teacher_digest;      // of its weights and its configuration
  VideoModel model{nullptr};       // the one that trains, without encoder
  LossHeads heads{nullptr};

  // Frozen models and those that train; before an optimiser takes their parameters.
  void MoveTo(const torch::Device& device);
  // Names and leaves of all that trains, heads below "loss_heads.".
  std::vector<std::pair<std::string, torch::Tensor>> Parameters() const;
};

// Encoders and teacher. kFailedPrecondition: the losses cannot compare teacher and student.
absl::StatusOr<TrainModels> LoadFrozenModels(const config::TrainConfig& config, PartCache* parts);

// Model and heads, drawn from the config's seed, then what `init_from` has of the model.
absl::Status MakeTrainedModels(const config::TrainConfig& config, PartCache* parts,
                               TrainModels* models);

}  // namespace slotmatch
