#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "slotmatch/config/manifest.pb.h"
#include "slotmatch/config/train.pb.h"

namespace slotmatch {

struct ModelToWrite {
  std::string directory;  // REPOSITORY/<name>/<version>
  config::TrainConfig config;
  config::Provenance provenance;
  std::map<std::string, torch::Tensor> tensors;  // head: everything but the backbone
};

// Writes a complete model directory: head weights (F32), and a manifest that names the encoder of
// `config.backbone`, which is shared or brought into the repository (core/weights/backbone_part.h).
absl::Status WriteModel(const ModelToWrite& model);

}  // namespace slotmatch
