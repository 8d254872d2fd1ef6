#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "trainer/data/dataset.h"

// What the command lines that read a dataset share.
namespace slotmatch {

struct DatasetOptions {
  std::string kind = "davis", path, split = "val";

  // The rows --data, --kind and --split.
  void AddTo(OptionTable* options, const std::string& what = "root of the dataset");
  config::DatasetConfig Config() const;
  // Errors of OpenDataset.
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open() const;
};

}  // namespace slotmatch
