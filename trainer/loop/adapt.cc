#include "trainer/loop/adapt.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/manifest.h"
#include "trainer/data/dataset_table.h"

namespace slotmatch {

absl::Status AdaptModel(const std::string& directory, config::TrainConfig* config) {
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(directory, &parts));
  if (files.manifest.role() == "backbone") {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is a backbone; --from wants a model with slots, such as models/slotmatch/1"));
  }
  *config->mutable_model() = files.manifest.model();
  *config->mutable_data()->mutable_preprocessing() = files.manifest.preprocessing();
  config->set_backbone(directory);
  config->set_init_from(directory);
  return absl::OkStatus();
}

absl::StatusOr<config::DatasetConfig> GuessDataset(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path))
    return absl::NotFoundError(absl::StrCat("--data '", path, "' is not there"));
  config::DatasetConfig dataset;
  dataset.set_path(path);
  if (fs::is_directory(fs::path(path) / "JPEGImages")) {
    dataset.set_kind("davis");
  } else {
    dataset.set_kind(OpenVideoFiles(dataset).ok() ? "video" : "frames");
  }
  return dataset;
}

}  // namespace slotmatch
