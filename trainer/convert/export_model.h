#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weights/key_mapping.h"

namespace slotmatch {

// A way other programs read weights. A row of the table.
struct ExportFormat {
  const char* name;  // value of export --to
  const char* what;
  bool whole_model;  // false: the encoder alone
  bool lightning;    // below "state_dict", beside epoch and step
  absl::StatusOr<MappedTensors> (*map)(const TensorMap& tensors);
};
const std::vector<ExportFormat>& ExportFormats();
const ExportFormat* FindExportFormat(const std::string& name);  // null: none

// Writes a model directory, or its encoder, in the names of a format: as safetensors when FILE
// ends so, else as torch.save does. Values and types stay. Returns what became of every key.
// kInvalidArgument: FILE's ending fits no format. kFailedPrecondition: a backbone is no whole
// model, or its names are not those of the format.
absl::StatusOr<std::vector<KeyUse>> ExportModel(const std::string& directory,
                                                const ExportFormat& format,
                                                const std::string& file);

}  // namespace slotmatch
