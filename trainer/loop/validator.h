#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

// Scores a model while it trains. A function of its tensors alone, so that a run that was resumed
// keeps the same checkpoints. For one thread.
class Validator {
 public:
  virtual ~Validator() = default;
  // `tensors`: parameters and buffers of the model without its encoder. Metric -> value.
  virtual absl::StatusOr<std::map<std::string, double>> Score(
      const std::map<std::string, torch::Tensor>& tensors) = 0;
  // PNGs by video of the masks that the model scored last gave on fixed videos.
  virtual std::map<std::string, std::string> Pictures() const = 0;
};

}  // namespace slotmatch
