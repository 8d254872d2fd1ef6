#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// Slots of this frame -> slots expected in the next, [B, K, S] -> [B, K, S].
class Predictor : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const torch::Tensor& slots) = 0;
};

// A row without a factory is a model without recurrence: every frame starts from the initial slots.
struct PredictorRow {
  const char* name;
  std::shared_ptr<Predictor> (*make)(int64_t slot_dim, const config::PredictorConfig& config);
};
const std::vector<PredictorRow>& PredictorTable();

}  // namespace slotmatch
