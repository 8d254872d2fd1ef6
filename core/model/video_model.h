#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/nn/vit.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// What goes from frame to frame: a value, passed in and out (slotcontrast/modules/video.py).
// Without a predictor it stays as it began: every frame starts from the initial slots.
struct SlotState {
  torch::Tensor slots;  // [B, K, S] predicted for the next frame
  int64_t step = 0;     // frames seen so far; 0: `slots` come from the initialiser
};

// One frame through slot attention and predictor.
struct StepResult {
  torch::Tensor slots;      // [B, K, S] corrected: what losses, decoder and clients see
  torch::Tensor attention;  // [B, K, N] of the last iteration, softmax over K, without eps
  SlotState next;
};

// A clip through the recurrence.
struct ScanResult {
  torch::Tensor slots;            // [B, T, K, S] corrected
  torch::Tensor slots_predicted;  // [B, T, K, S]
  torch::Tensor attention;        // [B, T, K, N]
  SlotState last;
};

// N' = tokens asked for. What DecoderConfig.outputs leaves out is an undefined tensor.
struct DecodeResult {
  torch::Tensor reconstruction;  // [..., N', D]
  torch::Tensor masks;           // [..., K, N'], softmax over K
  torch::Tensor similarity;      // [..., N', N] logits: where each token is in the next frame
};

enum class WithEncoder { kYes, kNo };  // kNo: head only, for training on cached tokens

// SlotContrast, SlotMatch, VideoSAUR or DINOSAUR model. Trainer and server run this one forward.
// Parameter names are the reference's video checkpoints' (slotcontrast/models.py), for image models
// too, whose own checkpoints leave the ".module" out; ours on top: "target_norm.{mean,std}" [D],
// "encoder.module.position" [1, N, S], "grouping_head.*".
// Holds no per-stream state. Thread-compatible: calls under InferenceMode may run in parallel.
// Every call checks its shapes and throws c10::Error naming expected letters and actual sizes.
class VideoModelImpl : public torch::nn::Module {
 public:
  explicit VideoModelImpl(const config::ModelConfig& config,
                          WithEncoder with_encoder = WithEncoder::kYes);

  const config::ModelConfig& config() const { return config_; }
  int64_t grid_height() const;
  int64_t grid_width() const;
  int64_t token_dim() const;  // D
  bool recurrent() const;     // false: an image model, frames know nothing of each other

  // Frozen backbone, without gradient: [B, 3, H, W] -> raw block tokens [B, N, D].
  torch::Tensor Encode(const torch::Tensor& frames);
  // The backbone itself; empty holder for a model built without encoder.
  Vit backbone() const;
  // Target normalisation of the config: [..., D] -> [..., D].
  torch::Tensor NormalizeTokens(const torch::Tensor& tokens) const;
  // Statistics for PER_CHANNEL and COSINE, both [D].
  void SetTokenStatistics(const torch::Tensor& mean, const torch::Tensor& std);
  // Feature transform of normalised tokens: [B, N, D] or [B, T, N, D] -> [..., N, S].
  torch::Tensor Transform(const torch::Tensor& tokens);
  // Noise of a random initialiser as a pure function of the seed, [B, K, S]; undefined when the
  // initialiser takes none. Models of the same K and S draw the same.
  torch::Tensor DrawNoise(int64_t batch, uint64_t seed) const;
  // State before the first frame. `noise` [B, K, S] replaces the draw of a random initialiser,
  // which is torch's global one.
  SlotState InitialState(int64_t batch, const torch::Tensor& noise = {});
  // The same where nothing is trained: service and scores. Every row begins with the noise of one
  // fixed seed, so the same frames give the same masks, today and tomorrow, alone or in a batch.
  SlotState InferenceState(int64_t batch);
  // features [B, N, S].
  StepResult Step(const torch::Tensor& features, const SlotState& state);
  // Predictor alone: bridges a frame that is missing. Without a predictor: the state as it is.
  SlotState SkipFrame(const SlotState& state);
  // features [B, T, N, S].
  ScanResult Scan(const torch::Tensor& features, SlotState state);
  // slots [B, K, S] or [B, T, K, S]; token_index [N'] int64 decodes only those tokens.
  DecodeResult Decode(const torch::Tensor& slots, const torch::Tensor& token_index = {});
  // Decoder masks alone, cheaper than Decode: [..., K, N].
  torch::Tensor DecodeMasks(const torch::Tensor& slots);
  // Prototype of each slot for the grouping loss: [..., K, S] -> [..., K, D + 2].
  torch::Tensor GroupingPrototypes(const torch::Tensor& slots);

  // Parameters the optimiser may change: everything but the backbone.
  std::vector<torch::Tensor> TrainableParameters();

 private:
  config::ModelConfig config_;
  struct Parts;
  std::shared_ptr<Parts> parts_;
};
TORCH_MODULE(VideoModel);

}  // namespace slotmatch
