#include "trainer/commands/dataset_options.h"

namespace slotmatch {

void DatasetOptions::AddTo(OptionTable* options, const std::string& what) {
  options->Text("data", "DIR", what, &path);
  options->Text("kind", "NAME", "dataset layout", &kind);
  options->Text("split", "NAME", "split of the dataset, e.g. a list under ImageSets/", &split);
}

config::DatasetConfig DatasetOptions::Config() const {
  config::DatasetConfig config;
  config.set_kind(kind);
  config.set_path(path);
  config.set_split(split);
  return config;
}

absl::StatusOr<std::unique_ptr<VideoDataset>> DatasetOptions::Open() const {
  return OpenDataset(Config());
}

}  // namespace slotmatch
