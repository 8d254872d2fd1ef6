#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/clip_sampler.h"
#include "trainer/loss/loss.h"
#include "trainer/optim/optimizer.h"

namespace slotmatch {

// What one optimiser step did.
struct StepReport {
  std::vector<std::pair<std::string, double>> losses;  // unweighted, in the order of the config
  double total = 0;                                    // weighted sum
  double grad_norm = 0;                                // before clipping
  double learning_rate = 0;
};

// Student forward, teacher forward without gradient, losses, backward, optimiser. A pure function
// of (parameters, batch, step): the tokens reconstructed and the noise of random initial slots are
// drawn from (seed, step).
class TrainStep {
 public:
  // Everything is borrowed; `teacher` may be empty. kInvalidArgument for a loss that is unknown or
  // lacks what it needs.
  static absl::StatusOr<TrainStep> Create(const config::TrainConfig& config, VideoModel model,
                                          VideoModel teacher, Optimizer* optimizer);

  // kDataLoss when a loss or the gradient is not finite: names the loss and the step, parameters
  // are untouched.
  absl::StatusOr<StepReport> Run(const ClipBatch& batch, int64_t step);

 private:
  TrainStep() = default;
  LossInputs Forward(const ClipBatch& batch, int64_t step);
  torch::Tensor TokenSubset(int64_t step) const;  // [N'] or undefined for all
  uint64_t NoiseSeed(int64_t step) const;

  config::TrainConfig config_;
  VideoModel model_{nullptr};
  VideoModel teacher_{nullptr};
  Optimizer* optimizer_ = nullptr;
  std::vector<const LossRow*> rows_;  // parallel to config_.losses()
  bool needs_decoder_ = false;
  bool needs_keys_ = false;
};

}  // namespace slotmatch
