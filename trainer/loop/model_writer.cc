#include "trainer/loop/model_writer.h"

#include <torch/torch.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/model/model_io.h"
#include "core/weights/manifest.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

absl::Status EnsureBackbone(const fs::path& from, const fs::path& to) {
  if (fs::exists(to / "manifest.textproto")) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(to, error);
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const fs::path target = to / entry.path().filename();
    std::error_code linked;
    fs::create_hard_link(fs::canonical(entry.path()), target, linked);
    if (linked) fs::copy_file(entry.path(), target, error);
  }
  if (error) {
    return absl::AbortedError(absl::StrCat("cannot copy backbone ", from.string(), " to ",
                                           to.string(), ": ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteModel(const ModelToWrite& model) {
  config::Manifest backbone;
  const fs::path backbone_dir = fs::path(model.config.backbone());
  SM_RETURN_IF_ERROR(LoadConfigFile((backbone_dir / "manifest.textproto").string(), &backbone));
  const fs::path relative = fs::path("..") / ".." / backbone.name() / backbone.version();
  const fs::path directory = fs::path(model.directory).lexically_normal();
  // Normalised, because `directory` itself may not exist yet.
  SM_RETURN_IF_ERROR(EnsureBackbone(backbone_dir, (directory / relative).lexically_normal()));

  config::Manifest manifest;
  manifest.set_schema_version(1);
  manifest.set_name(directory.parent_path().filename().string());
  manifest.set_version(directory.filename().string());
  manifest.set_role(model.config.role());
  manifest.set_license("Apache-2.0");
  config::WeightPart* part = manifest.add_parts();
  part->set_role("backbone");
  part->set_file((relative / backbone.parts(0).file()).string());
  part->set_sha256(backbone.parts(0).sha256());
  part->set_key_prefix(kBackbonePrefix);
  *manifest.mutable_model() = model.config.model();
  *manifest.mutable_preprocessing() = model.config.data().preprocessing();
  *manifest.mutable_provenance() = model.provenance;
  return SaveModelDirectory(model.directory, manifest, model.tensors, torch::kFloat32);
}

}  // namespace slotmatch
