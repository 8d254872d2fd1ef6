#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Multiplier of the base learning rate for optimiser step k, counted from 0: k / W below W warm-up
// steps (the first update has rate 0), then decay_rate^((k - W) / (M - W))
// (slotcontrast/schedulers.py).
double ScheduleFactor(const config::OptimConfig& config, int64_t max_steps, int64_t step);

// Adam (beta 0.9 / 0.999, eps 1e-8) with the schedule above and clipping of the global gradient
// norm: scale = min(1, clip_norm / (norm + 1e-6)).
class Optimizer {
 public:
  // `parameters`: name -> leaf; kept by reference. Order of names is the order of all sums.
  Optimizer(std::vector<std::pair<std::string, torch::Tensor>> parameters,
            const config::OptimConfig& config, int64_t max_steps);

  // Clips, sets the rate of step number steps_done(), updates, clears the gradients. Returns the
  // gradient norm before clipping. A parameter without gradient is left as it is; a norm that is
  // not finite leaves everything as it is, so that one bad batch cannot poison a checkpoint.
  double Step();
  // The gradients there are, in the order of the parameters.
  std::vector<torch::Tensor> Gradients() const;
  void ClearGradients();
  double learning_rate() const;  // that the next Step() will use
  int64_t steps_done() const { return steps_done_; }

  // Everything needed to go on bit-identically: "<name>.exp_avg", "<name>.exp_avg_sq", plus
  // "steps_done" [1] int64.
  std::map<std::string, torch::Tensor> State() const;
  // kDataLoss names what is missing or misshapen; nothing is changed then.
  absl::Status LoadState(const std::map<std::string, torch::Tensor>& state);

 private:
  struct Moments {
    torch::Tensor exp_avg, exp_avg_sq;
  };
  std::vector<std::pair<std::string, torch::Tensor>> parameters_;
  std::vector<Moments> moments_;
  config::OptimConfig config_;
  int64_t max_steps_;
  int64_t steps_done_ = 0;
};

}  // namespace slotmatch
