#include "trainer/convert/export_model.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status.h"
#include "core/weights/manifest.h"
#include "trainer/convert/torch_file.h"

namespace slotmatch {
namespace {

constexpr char kSafetensors[] = ".safetensors";
constexpr const char* kTorchEndings[] = {".pth", ".pt", ".bin", ".ckpt"};

// An image model has no predictor, and its keys lack ".module".
absl::StatusOr<MappedTensors> ToWholeModel(const TensorMap& tensors) {
  const auto predictor = tensors.lower_bound("processor.module.predictor.");
  const bool video = predictor != tensors.end() &&
                     absl::StartsWith(predictor->first, "processor.module.predictor.");
  return video ? ToVideoModel(tensors) : ToImageModel(tensors);
}

absl::Status CheckEnding(const ExportFormat& format, const std::string& file) {
  for (const char* ending : kTorchEndings) {
    if (absl::EndsWith(file, ending)) return absl::OkStatus();
  }
  if (absl::EndsWith(file, kSafetensors) && !format.lightning) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--out ", file, ": ", format.name, " files end with .pth, .pt, .bin",
                   format.lightning ? " or .ckpt" : ", .ckpt or .safetensors"));
}

// What the format holds of a model, under our keys.
absl::StatusOr<TensorMap> TensorsFor(const ExportFormat& format, const ModelFiles& files) {
  const bool backbone = files.manifest.role() == "backbone";
  if (format.whole_model && backbone) {
    return absl::FailedPreconditionError(
        absl::StrCat(files.directory, " is a backbone; ", format.name, " holds whole models"));
  }
  if (format.whole_model || backbone) return files.tensors;
  TensorMap encoder;
  for (const auto& [key, view] : files.tensors) {
    if (absl::StartsWith(key, kBackbonePrefix)) {
      encoder.emplace(absl::StripPrefix(key, kBackbonePrefix), view);
    }
  }
  return encoder;
}

}  // namespace

const std::vector<ExportFormat>& ExportFormats() {
  static const auto& rows = *new std::vector<ExportFormat>{
      {"torch-hub", "the encoder as DINOv2's own files name it", false, false, ToTorchHub},
      {"timm", "the encoder as timm names it", false, false, ToTimm},
      {"hf", "the encoder as Hugging Face names it", false, false, ToHuggingFace},
      {"lightning", "the whole model as the reference's checkpoint", true, true, ToWholeModel},
      {"state-dict", "the whole model's state_dict alone", true, false, ToWholeModel},
  };
  return rows;
}

const ExportFormat* FindExportFormat(const std::string& name) {
  for (const ExportFormat& row : ExportFormats()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

absl::StatusOr<std::vector<KeyUse>> ExportModel(const std::string& directory,
                                                const ExportFormat& format,
                                                const std::string& file) {
  SM_RETURN_IF_ERROR(CheckEnding(format, file));
  PartCache cache;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(directory, &cache));
  SM_ASSIGN_OR_RETURN(const TensorMap tensors, TensorsFor(format, files));
  absl::StatusOr<MappedTensors> mapped = format.map(tensors);
  if (!mapped.ok()) return Annotate(mapped.status(), directory);
  if (absl::EndsWith(file, kSafetensors)) {
    SM_RETURN_IF_ERROR(WriteSafetensors(file, mapped->tensors, {{"format", "pt"}}));
  } else if (format.lightning) {
    SM_RETURN_IF_ERROR(WriteTorchFile(file, mapped->tensors,
                                      LightningState{0, files.manifest.provenance().steps()}));
  } else {
    SM_RETURN_IF_ERROR(WriteTorchFile(file, mapped->tensors));
  }
  return std::move(mapped->uses);
}

}  // namespace slotmatch
