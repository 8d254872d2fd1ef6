#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// Slots before the first frame [slotcontrast modules/initializers.py].
class SlotInit : public torch::nn::Module {
 public:
  // [B, K, S]. `noise` [B, K, S] replaces the draw of a random initialiser; fixed ones ignore it.
  virtual torch::Tensor forward(int64_t batch, const torch::Tensor& noise) = 0;
};

// A row of the table: name in SlotInitConfig.kind.
struct SlotInitRow {
  const char* name;
  std::shared_ptr<SlotInit> (*make)(int64_t num_slots, int64_t slot_dim);
  bool takes_noise;  // false: forward() ignores its noise, nobody needs to draw any
};
const std::vector<SlotInitRow>& SlotInitTable();

}  // namespace slotmatch
