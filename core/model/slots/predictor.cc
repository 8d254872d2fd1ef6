#include "core/model/slots/predictor.h"

#include <torch/torch.h>

#include "core/nn/shape_check.h"
#include "core/nn/transformer.h"

namespace slotmatch {
namespace {

// Transformer blocks over the slots [slotcontrast modules/networks.py].
class TransformerPredictor : public Predictor {
 public:
  TransformerPredictor(int64_t slot_dim, const config::PredictorConfig& config)
      : slot_dim_(slot_dim) {
    blocks_ = register_module("blocks",
                              TransformerBlocks(slot_dim, config.num_blocks(), config.num_heads()));
  }

  torch::Tensor forward(const torch::Tensor& slots) override {
    CheckShape("predictor input", slots, {{"B"}, {"K"}, {"S", slot_dim_}});
    return RunBlocks(blocks_, slots);
  }

 private:
  int64_t slot_dim_;
  torch::nn::ModuleList blocks_;
};

std::shared_ptr<Predictor> MakeTransformer(int64_t slot_dim,
                                           const config::PredictorConfig& config) {
  return std::make_shared<TransformerPredictor>(slot_dim, config);
}

}  // namespace

const std::vector<PredictorRow>& PredictorTable() {
  static const auto& rows = *new std::vector<PredictorRow>{
      {"transformer", MakeTransformer},
      {"none", nullptr},
  };
  return rows;
}

}  // namespace slotmatch
