#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "slotmatch/config/model.pb.h"

namespace slotmatch {

// Multiply-accumulates of matrix products and convolutions for one frame, norms, softmax and
// activations left out. As the architecture says, without the shortcuts that the decoder takes.
struct FrameMacs {
  double first = 0;      // first frame of a stream
  double later = 0;      // every frame after it
  double attention = 0;  // of these: products of query and key, weight and value in the backbone
};

struct ModuleCost {
  std::string name;
  int64_t parameters = 0;
  bool trainable = true;
  FrameMacs macs;
};

struct ModelCost {
  std::vector<ModuleCost> modules;  // in the order of the data; only those the model has
  int64_t buffers = 0;              // values stored with the weights that are no parameters
  // Largest set of float32 values alive at once in one frame's forward, an estimate: a transformer
  // block with its attention matrix, or the decoder's hidden layers.
  double activation_values = 0;
  int64_t state_values = 0;  // what a stream keeps: its slots

  int64_t Parameters() const;
  int64_t TrainableParameters() const;
  FrameMacs Macs() const;
};

// Counts a model from its configuration; no weights are needed. Parameters are those of the built
// modules, grouped by the name of ModuleOfKey. kFailedPrecondition: the configuration is wrong.
absl::StatusOr<ModelCost> CountModel(const config::ModelConfig& config);

// Name of the module that owns a weight: "backbone", "slot attention", ...; "other" if none does.
std::string ModuleOfKey(const std::string& key);

// FLOPs of a multiply-accumulate: a product and a sum.
inline constexpr double kFlopsPerMac = 2;

}  // namespace slotmatch
