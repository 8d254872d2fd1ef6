#include "core/model/slots/slot_init.h"

#include <torch/torch.h>

#include <cmath>

#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

// One learned vector per slot index: index n keeps its identity over clips and models.
class FixedLearnedInit : public SlotInit {
 public:
  FixedLearnedInit(int64_t num_slots, int64_t slot_dim) {
    slots_ = register_parameter(
        "slots", torch::randn({1, num_slots, slot_dim}) / std::sqrt(static_cast<double>(slot_dim)));
  }
  torch::Tensor forward(int64_t batch, const torch::Tensor& noise) override {
    return slots_.expand({batch, -1, -1});
  }

 private:
  torch::Tensor slots_;  // [1, K, S]
};

// Mean and spread shared by all slots; drawn anew at every call, evaluation included.
class RandomInit : public SlotInit {
 public:
  RandomInit(int64_t num_slots, int64_t slot_dim) : num_slots_(num_slots), slot_dim_(slot_dim) {
    mean_ = register_parameter("mean", torch::zeros({1, 1, slot_dim}));
    log_std_ = register_parameter(
        "log_std", torch::full({1, 1, slot_dim}, -0.5 * std::log(static_cast<double>(slot_dim))));
  }
  torch::Tensor forward(int64_t batch, const torch::Tensor& noise) override {
    const torch::Tensor draw = noise.defined()
                                   ? noise.to(mean_.device())
                                   : torch::randn({batch, num_slots_, slot_dim_}, mean_.options());
    CheckShape("slot noise", draw, {{"B", batch}, {"K", num_slots_}, {"S", slot_dim_}});
    return mean_ + draw * log_std_.exp();
  }

 private:
  int64_t num_slots_, slot_dim_;
  torch::Tensor mean_, log_std_;  // [1, 1, S]
};

template <typename T>
std::shared_ptr<SlotInit> Make(int64_t num_slots, int64_t slot_dim) {
  return std::make_shared<T>(num_slots, slot_dim);
}

}  // namespace

const std::vector<SlotInitRow>& SlotInitTable() {
  static const auto& rows = *new std::vector<SlotInitRow>{
      // name, factory, takes noise
      {"fixed_learned", Make<FixedLearnedInit>, false},
      {"random", Make<RandomInit>, true},
  };
  return rows;
}

}  // namespace slotmatch
