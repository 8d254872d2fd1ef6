#include "core/weights/manifest.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/config/config.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// Canonical path of a part, refused when it leaves the repository root.
absl::StatusOr<std::string> PartPath(const fs::path& directory, const std::string& file) {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(directory / ".." / "..", error);
  const fs::path path = fs::weakly_canonical(directory / file, error);
  const auto relative = path.lexically_relative(root);
  if (fs::path(file).is_absolute() || relative.empty() || *relative.begin() == "..") {
    return absl::FailedPreconditionError(
        absl::StrCat("part '", file, "' lies outside the model repository ", root.string()));
  }
  if (!fs::exists(path)) {
    return absl::NotFoundError(absl::StrCat("part '", file, "' is missing: ", path.string()));
  }
  return path.string();
}

absl::Status AddTensors(const config::WeightPart& part, const SafetensorsFile& file,
                        ModelFiles* model) {
  for (const auto& [key, view] : file.tensors()) {
    if (!model->tensors.emplace(part.key_prefix() + key, view).second) {
      return absl::DataLossError(
          absl::StrCat("key '", part.key_prefix(), key, "' stands in two parts"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckManifest(const config::Manifest& manifest) {
  if (manifest.schema_version() != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("schema_version ", manifest.schema_version(), "; this program reads 1"));
  }
  if (manifest.name().empty()) return absl::FailedPreconditionError("name is not set");
  if (manifest.parts().empty()) return absl::FailedPreconditionError("there are no parts");
  return absl::OkStatus();
}

absl::Status OpenParts(PartCache* cache, ModelFiles* model) {
  std::string digests;
  for (const config::WeightPart& part : model->manifest.parts()) {
    SM_ASSIGN_OR_RETURN(const std::string path, PartPath(model->directory, part.file()));
    SM_ASSIGN_OR_RETURN(auto file, cache->Open(path, part.sha256()));
    SM_RETURN_IF_ERROR(AddTensors(part, *file, model));
    absl::StrAppend(&digests, part.sha256());
    model->parts.push_back(std::move(file));
  }
  model->digest = Sha256Hex(digests);
  return absl::OkStatus();
}

}  // namespace

const char kBackbonePrefix[] = "encoder.module.backbone.model.";

absl::Status WriteManifest(const std::string& directory, const config::Manifest& manifest) {
  return WriteFileAtomically((fs::path(directory) / "manifest.textproto").string(),
                             "# proto-file: proto/slotmatch/config/manifest.proto\n"
                             "# proto-message: slotmatch.config.Manifest\n" +
                                 ConfigText(manifest));
}

const TensorView* ModelFiles::Find(const std::string& key) const {
  const auto found = tensors.find(key);
  return found == tensors.end() ? nullptr : &found->second;
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> PartCache::Open(const std::string& path,
                                                                       const std::string& sha256) {
  const auto found = files_.find(path + sha256);
  if (found != files_.end()) return found->second;
  SM_ASSIGN_OR_RETURN(const std::string actual, Sha256OfFile(path));
  if (actual != sha256) {
    return absl::DataLossError(absl::StrCat(path, " has SHA-256 ", actual, ", the manifest says ",
                                            sha256, ": the file is damaged or was replaced"));
  }
  SM_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(path));
  files_[path + sha256] = file;
  return file;
}

absl::StatusOr<ModelFiles> OpenModelDirectory(const std::string& directory, PartCache* cache) {
  ModelFiles model;
  model.directory = directory;
  const std::string path = (fs::path(directory) / "manifest.textproto").string();
  if (!fs::exists(path)) {
    return absl::NotFoundError(
        absl::StrCat(directory, " is not a model directory: ", path, " is missing"));
  }
  SM_RETURN_IF_ERROR(LoadConfigFile(path, &model.manifest));
  absl::Status status = CheckManifest(model.manifest);
  if (status.ok()) status = OpenParts(cache, &model);
  if (!status.ok()) return Annotate(status, path);
  return model;
}

}  // namespace slotmatch
