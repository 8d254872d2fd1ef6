#include "trainer/data/dataset_table.h"

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace slotmatch {

const std::vector<DatasetRow>& DatasetTable() {
  static const auto& rows = *new std::vector<DatasetRow>{
      {"coco", OpenCoco},     {"davis", OpenDavis},      {"movi", OpenMovi},
      {"ovis", OpenYtvis},    {"ytvis", OpenYtvis},      {"frames", OpenFrames},
      {"images", OpenImages}, {"video", OpenVideoFiles},
  };
  return rows;
}

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenDataset(const config::DatasetConfig& config) {
  std::string known;
  for (const DatasetRow& row : DatasetTable()) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
    if (config.kind() != row.name) continue;
    if (!std::filesystem::exists(config.path())) {
      return absl::NotFoundError(absl::StrCat("dataset path '", config.path(), "' does not exist"));
    }
    return row.open(config);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dataset kind '", config.kind(), "' is unknown; there are: ", known));
}

}  // namespace slotmatch
