#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/model/encoder/encoder_table.h"
#include "core/weights/key_mapping.h"
#include "slotmatch/config/manifest.pb.h"
#include "trainer/commands/commands.h"

namespace slotmatch {
namespace {

// The encoder row whose width is that of the weights.
absl::StatusOr<std::string> VariantOf(const std::map<std::string, OwnedTensor>& tensors) {
  const auto cls = tensors.find("cls_token");
  for (const EncoderRow& row : EncoderTable()) {
    if (cls != tensors.end() && cls->second.shape.back() == row.shape.dim) return row.name;
  }
  return absl::DataLossError("no encoder row has the width of these weights");
}

absl::Status WriteBackbone(const std::string& directory, const std::string& name,
                           const std::string& source, const BackboneKeys& keys) {
  SM_ASSIGN_OR_RETURN(const std::string variant, VariantOf(keys.tensors));
  std::map<std::string, OwnedTensor> half;
  std::map<std::string, TensorView> views;
  for (const auto& [key, tensor] : keys.tensors) {
    half[key] = ConvertDType(tensor.view(), DType::kF16);
    views.emplace(key, half[key].view());
  }
  const std::string file = (std::filesystem::path(directory) / "weights.safetensors").string();
  SM_RETURN_IF_ERROR(WriteSafetensors(file, views));
  config::Manifest manifest;
  manifest.set_schema_version(1);
  manifest.set_name(name);
  manifest.set_version(std::filesystem::path(directory).filename().string());
  manifest.set_role("backbone");
  manifest.set_license("Apache-2.0");
  manifest.mutable_model()->mutable_encoder()->set_variant(variant);
  manifest.mutable_provenance()->set_data(source);
  config::WeightPart* part = manifest.add_parts();
  part->set_role("backbone");
  part->set_file("weights.safetensors");
  SM_ASSIGN_OR_RETURN(*part->mutable_sha256(), Sha256OfFile(file));
  return WriteFileAtomically((std::filesystem::path(directory) / "manifest.textproto").string(),
                             "# proto-file: proto/slotmatch/config/manifest.proto\n"
                             "# proto-message: slotmatch.config.Manifest\n" +
                                 ConfigText(manifest));
}

}  // namespace

absl::Status ImportCommand(int argc, char** argv) {
  std::string from, name, to;
  OptionTable options("slotmatch_trainer import",
                      "Turns DINOv2 weights (safetensors, Hugging Face, torch-hub or timm names) "
                      "into a backbone directory in F16.");
  options.Text("from", "FILE", "safetensors file", &from);
  options.Text("as", "NAME", "name of the backbone, e.g. dinov2_vits14", &name);
  options.Text("to", "DIR", "where to write it, by default models/NAME/1", &to);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.help_asked()) {
    std::printf("%s", options.Help().c_str());
    return absl::OkStatus();
  }
  if (from.empty() || name.empty()) {
    return absl::InvalidArgumentError("import needs --from FILE and --as NAME");
  }
  if (to.empty()) to = absl::StrCat("models/", name, "/1");
  SM_ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(from));
  absl::StatusOr<BackboneKeys> keys = MapBackboneKeys(file->tensors());
  if (!keys.ok()) return Annotate(keys.status(), from);
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(from));
  const std::string source =
      absl::StrCat(std::filesystem::path(from).filename().string(), " (SHA-256 ", digest, ")");
  SM_RETURN_IF_ERROR(WriteBackbone(to, name, source, *keys));
  std::printf("%zu tensors in %s names -> %s; ignored:", keys->tensors.size(),
              keys->convention.c_str(), to.c_str());
  for (const std::string& key : keys->ignored) std::printf(" %s", key.c_str());
  std::printf("\n");
  return absl::OkStatus();
}

}  // namespace slotmatch
