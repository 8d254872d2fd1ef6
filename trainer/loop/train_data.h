#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "core/weights/manifest.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/clip_sampler.h"
#include "trainer/data/feature_store.h"

namespace slotmatch {

// The frozen encoder of a model directory (role backbone, or a whole model), ready to extract.
struct Backbone {
  Vit vit{nullptr};
  FeatureExtractor extractor;
};

// Loads the encoder that `model` asks for from an opened directory. `preprocessing` and the input
// size become part of every cache key.
absl::StatusOr<Backbone> LoadBackbone(const ModelFiles& files, const config::ModelConfig& model,
                                      const config::Preprocessing& preprocessing);

// The same encoder giving the keys of its last block [B, N, D] in place of tokens, cached apart.
Backbone KeysOf(const Backbone& backbone);

// The training data as the step sees it: cached tokens of every dataset in one view per encoder.
class TrainData {
 public:
  // `encoders`: the views of a ClipBatch. Computes what is not cached yet, with progress. With
  // `slots`, clips are drawn with what is kept of these slots, and slot_stores() keep more.
  static absl::StatusOr<std::unique_ptr<TrainData>> Open(const config::TrainConfig& config,
                                                         const std::vector<Backbone>& encoders,
                                                         const SlotKind* slots = nullptr);
  const ClipSampler& sampler() const { return *sampler_; }
  // Mean and standard deviation [D] of view `view`'s tokens over a fixed sub-sample.
  std::pair<torch::Tensor, torch::Tensor> TokenStatistics(size_t view) const;
  std::vector<const SlotStore*> slot_stores() const;  // one per source of the sampler, or none
  std::string Description() const;  // "127 videos, 3048 frames of movi_like_a; ..."

 private:
  TrainData() = default;
  std::vector<std::vector<std::unique_ptr<FeatureStore>>> stores_;  // [dataset, crop][view]
  std::vector<std::unique_ptr<SlotStore>> slot_stores_;             // [dataset, crop]
  std::unique_ptr<ClipSampler> sampler_;
  std::string description_;
};

}  // namespace slotmatch
