#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "slotmatch/config/manifest.pb.h"
#include "trainer/convert/checkpoint_kind.h"
#include "trainer/convert/infer_config.h"

namespace slotmatch {

struct ImportRequest {
  std::string from;       // a weight file
  std::string name;       // of the model
  std::string directory;  // REPOSITORY/NAME/VERSION
  MapRequest map;
  ImportHints hints;
  std::string dtype = "keep";  // or f32, f16, bf16
  std::string backbone;        // directory whose encoder a whole model shares; empty: its own
  std::vector<std::string> settings;  // overrides "model.predictor.num_heads=8" of the manifest
};

struct ImportResult {
  const CheckpointKind* kind = nullptr;
  std::string prefix;
  std::vector<KeyUse> uses;  // every key of the file
  config::Manifest manifest;
};

// Turns published weights into a model directory that server and trainer load: the encoder in a
// part of its own, tensors in their own type unless `dtype` says otherwise, preprocessing that of
// the reference. Nothing is written unless every parameter of the model is there with its shape.
// kInvalidArgument: options are wrong or missing. kDataLoss: the file is damaged or no such model.
// kAlreadyExists: `directory` is a model. kFailedPrecondition: the encoder is not that of
// `backbone`, settings fit no model.
absl::StatusOr<ImportResult> ImportModel(const ImportRequest& request);

}  // namespace slotmatch
