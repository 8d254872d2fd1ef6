#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/data/clip_sampler.h"
#include "trainer/dist/process_group.h"
#include "trainer/loss/loss.h"
#include "trainer/loss/loss_heads.h"
#include "trainer/optim/optimizer.h"

namespace slotmatch {

// What one optimiser step did.
struct StepReport {
  std::vector<std::pair<std::string, double>> losses;  // unweighted, in the order of the config
  double total = 0;                                    // weighted sum
  double grad_norm = 0;                                // before clipping
  double learning_rate = 0;
};

// What a step works with, all borrowed.
struct StepParts {
  VideoModel model{nullptr};
  VideoModel teacher{nullptr};  // empty: no teacher
  LossHeads heads{nullptr};     // empty: no loss needs one
  Optimizer* optimizer = nullptr;
  ProcessGroup* processes = nullptr;  // null: alone
};

// Student forward, teacher forward without gradient, losses, backward, optimiser. A pure function
// of (parameters, batch, step): the tokens reconstructed and the noise of random initial slots are
// drawn from (seed, step). With several processes each gets its own clips of the batch, equally
// many, and all end with the same parameters; with loop.accumulate so does a batch in parts. Either
// way the update is that of the joint batch but for slot_contrast, whose negatives are those of a
// part, or, gathered, those of the same part in all processes.
class TrainStep {
 public:
  // kInvalidArgument for a loss that is unknown or lacks what it needs.
  static absl::StatusOr<TrainStep> Create(const config::TrainConfig& config,
                                          const StepParts& parts);

  // `batch`: this process's clips, on the models' device. kDataLoss when a loss or the gradient is
  // not finite, in any process: names the loss and the step, parameters are untouched. Throws
  // ProcessLost.
  absl::StatusOr<StepReport> Run(const ClipBatch& batch, int64_t step);

  // The losses of a batch in one part, without gradient; nothing changes.
  StepReport Evaluate(const ClipBatch& batch, int64_t step);

 private:
  TrainStep() = default;
  // Noise of initial slots [B, K, S]; undefined where none is taken.
  struct StepNoise {
    torch::Tensor model, teacher;
    StepNoise Of(int64_t first, int64_t count) const;  // that of some clips
  };
  LossInputs Forward(const ClipBatch& part, const StepNoise& noise, int64_t step);
  void AddTeacher(const ClipBatch& part, const torch::Tensor& noise, LossInputs* in);
  // The losses of a part of the batch, unweighted, [losses] float64, and their weighted sum.
  std::pair<torch::Tensor, torch::Tensor> Losses(const LossInputs& in) const;
  StepReport ReportOf(const torch::Tensor& losses) const;
  // One optimiser step with the gradients of all parts and processes.
  absl::StatusOr<StepReport> Update(const torch::Tensor& losses, int64_t step);
  torch::Tensor TokenSubset(int64_t step) const;  // [N'] or undefined for all
  torch::Tensor Noise(const VideoModel& model, int64_t clips, int64_t step) const;

  config::TrainConfig config_;
  StepParts parts_;
  std::unique_ptr<ProcessGroup> alone_;
  std::vector<std::pair<config::LossConfig, LossFunction>> losses_;  // those with a weight
  bool gathers_ = false;
};

}  // namespace slotmatch
