#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/model/model_io.h"
#include "tests/support/tiny_model.h"
#include "trainer/loop/model_writer.h"

namespace slotmatch {

// Writes ROOT/repository/tiny/1, a tiny model with random weights, and its backbone beside it;
// returns the model's folder.
inline std::string WriteTinyModelDirectory(const std::string& root,
                                           const config::ModelConfig& config = TinyModelConfig()) {
  ModelToWrite model;
  model.directory = root + "/repository/tiny/1";
  *model.config.mutable_model() = config;
  model.config.set_backbone(
      WriteTinyBackbone(root + "/repository", model.config.model().encoder(), 97));
  model.tensors = NamedTensors(*MakeTinyModel(config, 98, WithEncoder::kNo), {});
  EXPECT_TRUE(WriteModel(model).ok());
  return model.directory;
}

}  // namespace slotmatch
