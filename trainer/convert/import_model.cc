#include "trainer/convert/import_model.h"

#include <torch/torch.h>

#include <filesystem>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"
#include "core/weights/backbone_part.h"
#include "core/weights/manifest.h"
#include "core/weights/tensor_archive.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kHeadFile[] = "weights.safetensors";
constexpr std::pair<const char*, DType> kDTypes[] = {
    {"f32", DType::kF32}, {"f16", DType::kF16}, {"bf16", DType::kBF16}};

absl::Status Convert(const std::string& name, MappedTensors* mapped) {
  if (name == "keep") return absl::OkStatus();
  for (const auto& [row, dtype] : kDTypes) {
    if (name != row) continue;
    for (auto& [key, view] : mapped->tensors) {
      mapped->made.push_back(std::make_shared<OwnedTensor>(ConvertDType(view, dtype)));
      view = mapped->made.back()->view();
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("--dtype '" + name + "' is none of keep, f32, f16, bf16");
}

// The tensors whose key begins with `prefix`, without it.
TensorMap Below(const std::string& prefix, const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [key, view] : tensors) {
    if (absl::StartsWith(key, prefix)) result.emplace(key.substr(prefix.size()), view);
  }
  return result;
}

TensorMap Without(const std::string& prefix, const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [key, view] : tensors) {
    if (!absl::StartsWith(key, prefix)) result.emplace(key, view);
  }
  return result;
}

// Whether the model that the configuration describes is the one that the tensors are.
absl::Status CheckFits(const config::ModelConfig& config, bool whole_model,
                       const TensorMap& tensors) {
  if (!whole_model) {
    SM_ASSIGN_OR_RETURN(const VitShape shape, EncoderShape(config.encoder()));
    return LoadParameters(tensors, /*strict=*/false, Vit(shape).ptr().get());
  }
  if (config.target_normalization() == config::NONE && tensors.count("target_norm.mean") > 0) {
    return absl::InvalidArgumentError(
        "these weights hold statistics of tokens, but not how they are used: say --set "
        "model.target_normalization=COSINE or PER_CHANNEL");
  }
  SM_RETURN_IF_ERROR(ValidateModelConfig(config));
  return LoadParameters(tensors, /*strict=*/true, VideoModel(config).ptr().get());
}

// Whether the encoder of `directory` is bit for bit the one in `tensors` (timm's keys).
absl::Status CheckSameBackbone(const std::string& directory, const TensorMap& tensors) {
  PartCache cache;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(directory, &cache));
  const std::string prefix = files.manifest.role() == "backbone" ? "" : kBackbonePrefix;
  size_t same = 0;
  std::string first;
  for (const auto& [key, view] : tensors) {
    const TensorView* other = files.Find(prefix + key);
    if (other != nullptr && other->dtype == view.dtype && other->shape == view.shape &&
        other->bytes == view.bytes) {
      ++same;
    } else if (first.empty()) {
      first = absl::StrCat(key, other == nullptr ? " (not there)"
                                : other->dtype != view.dtype
                                    ? absl::StrCat(" (", DTypeName(other->dtype), ", here ",
                                                   DTypeName(view.dtype), "; see --dtype)")
                                    : "");
    }
  }
  if (first.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the encoder of ", directory, " is another one: ", tensors.size() - same, " of ",
                   tensors.size(), " tensors differ, first ", first));
}

absl::Status AddPart(const std::string& role, const std::string& file, const std::string& prefix,
                     const std::string& directory, const TensorMap& tensors,
                     config::Manifest* manifest) {
  const std::string path = (fs::path(directory) / file).string();
  SM_RETURN_IF_ERROR(WriteSafetensors(path, tensors));
  config::WeightPart* part = manifest->add_parts();
  part->set_role(role);
  part->set_file(file);
  if (!prefix.empty()) part->set_key_prefix(prefix);
  SM_ASSIGN_OR_RETURN(*part->mutable_sha256(), Sha256OfFile(path));
  return absl::OkStatus();
}

absl::Status WriteParts(const ImportRequest& request, bool whole_model, const TensorMap& tensors,
                        config::Manifest* manifest) {
  if (!whole_model) {
    return AddPart("backbone", kHeadFile, "", request.directory, tensors, manifest);
  }
  const TensorMap encoder = Below(kBackbonePrefix, tensors);
  if (request.backbone.empty()) {
    SM_RETURN_IF_ERROR(
        AddPart("backbone", kBackboneFile, kBackbonePrefix, request.directory, encoder, manifest));
  } else {
    SM_RETURN_IF_ERROR(CheckSameBackbone(request.backbone, encoder));
    SM_RETURN_IF_ERROR(AddBackbonePart(request.backbone, request.directory, manifest));
  }
  return AddPart("head", kHeadFile, "", request.directory, Without(kBackbonePrefix, tensors),
                 manifest);
}

// Steps of the training, which a Lightning checkpoint has beside its weights.
int64_t StepsOf(const TensorArchive& archive) {
  const auto found = archive.metadata().find("global_step");
  int64_t steps = 0;
  return found != archive.metadata().end() && absl::SimpleAtoi(found->second, &steps) ? steps : 0;
}

absl::StatusOr<config::Manifest> DescribeModel(const ImportRequest& request, bool whole_model,
                                               const TensorArchive& archive,
                                               const TensorMap& tensors) {
  config::Manifest manifest;
  manifest.set_schema_version(1);
  manifest.set_name(request.name);
  manifest.set_version(fs::path(request.directory).lexically_normal().filename().string());
  manifest.set_role(whole_model ? "teacher" : "backbone");
  SM_ASSIGN_OR_RETURN(*manifest.mutable_model(),
                      InferModelConfig(tensors, whole_model, request.hints));
  const config::EncoderConfig& encoder = manifest.model().encoder();
  if (whole_model) {
    // The reference's evaluation; the same as stretching when frames are square, as in MOVi.
    const bool square = encoder.input_height_px() == encoder.input_width_px();
    manifest.mutable_preprocessing()->set_geometry(square ? config::Preprocessing::CENTER_SQUARE
                                                          : config::Preprocessing::STRETCH);
    manifest.mutable_preprocessing()->set_interpolation(config::Preprocessing::BICUBIC);
  }
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(request.from));
  manifest.mutable_provenance()->set_data(
      absl::StrCat(fs::path(request.from).filename().string(), " (SHA-256 ", digest, ")"));
  if (StepsOf(archive) > 0) manifest.mutable_provenance()->set_steps(StepsOf(archive));
  SM_RETURN_IF_ERROR(ApplyOverrides(request.settings, &manifest));
  return manifest;
}

}  // namespace

absl::StatusOr<ImportResult> ImportModel(const ImportRequest& request) {
  if (fs::exists(fs::path(request.directory) / "manifest.textproto")) {
    return absl::AlreadyExistsError(request.directory + " is a model already; choose another --to");
  }
  SM_ASSIGN_OR_RETURN(const auto archive, OpenTensorArchive(request.from));
  absl::StatusOr<MappedCheckpoint> checkpoint = MapCheckpoint(archive->tensors(), request.map);
  if (!checkpoint.ok()) return Annotate(checkpoint.status(), request.from);
  const bool whole_model = checkpoint->kind->whole_model;
  if (!whole_model && !request.backbone.empty()) {
    return absl::InvalidArgumentError("--backbone is for whole models; this is a " +
                                      std::string(checkpoint->kind->what));
  }
  SM_RETURN_IF_ERROR(Convert(request.dtype, &checkpoint->mapped));
  const TensorMap& tensors = checkpoint->mapped.tensors;
  absl::StatusOr<config::Manifest> manifest =
      DescribeModel(request, whole_model, *archive, tensors);
  if (!manifest.ok()) return Annotate(manifest.status(), request.from);
  const absl::Status fits = CheckFits(manifest->model(), whole_model, tensors);
  if (!fits.ok()) return Annotate(fits, request.from);
  SM_RETURN_IF_ERROR(WriteParts(request, whole_model, tensors, &*manifest));
  SM_RETURN_IF_ERROR(WriteManifest(request.directory, *manifest));
  return ImportResult{checkpoint->kind, checkpoint->prefix, checkpoint->mapped.uses,
                      *std::move(manifest)};
}

}  // namespace slotmatch
