#include "trainer/loop/model_writer.h"

#include <torch/torch.h>

#include <filesystem>

#include "core/base/status.h"
#include "core/model/model_io.h"
#include "core/weights/backbone_part.h"

namespace slotmatch {

absl::Status WriteModel(const ModelToWrite& model) {
  const std::filesystem::path directory = std::filesystem::path(model.directory).lexically_normal();
  config::Manifest manifest;
  manifest.set_schema_version(1);
  manifest.set_name(directory.parent_path().filename().string());
  manifest.set_version(directory.filename().string());
  manifest.set_role(model.config.role());
  manifest.set_license("Apache-2.0");
  SM_RETURN_IF_ERROR(AddBackbonePart(model.config.backbone(), model.directory, &manifest));
  *manifest.mutable_model() = model.config.model();
  *manifest.mutable_preprocessing() = model.config.data().preprocessing();
  *manifest.mutable_provenance() = model.provenance;
  return SaveModelDirectory(model.directory, manifest, model.tensors, torch::kFloat32);
}

}  // namespace slotmatch
