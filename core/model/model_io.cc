#include "core/model/model_io.h"

#include <torch/torch.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/model/model_config.h"

namespace slotmatch {
namespace {

struct TypeRow {
  DType dtype;
  torch::ScalarType scalar;
};
constexpr TypeRow kTypes[] = {
    {DType::kF64, torch::kFloat64}, {DType::kF32, torch::kFloat32},
    {DType::kF16, torch::kFloat16}, {DType::kBF16, torch::kBFloat16},
    {DType::kI64, torch::kInt64},   {DType::kI32, torch::kInt32},
    {DType::kI16, torch::kInt16},   {DType::kI8, torch::kInt8},
    {DType::kU8, torch::kUInt8},    {DType::kBool, torch::kBool},
};

torch::ScalarType ScalarOf(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.scalar;
  }
  TORCH_CHECK(false, "unknown dtype");
}

DType DTypeOf(torch::ScalarType scalar) {
  for (const TypeRow& row : kTypes) {
    if (row.scalar == scalar) return row.dtype;
  }
  TORCH_CHECK(false, "dtype ", scalar, " cannot be stored");
}

// All parameters and buffers by dotted key.
std::map<std::string, torch::Tensor> AllTensors(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> all;
  for (const auto& item : module.named_parameters()) all[item.key()] = item.value();
  for (const auto& item : module.named_buffers()) all[item.key()] = item.value();
  return all;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::string Listed(const char* what, const std::vector<std::string>& keys) {
  constexpr size_t kShown = 5;
  if (keys.empty()) return "";
  std::vector<std::string> shown(keys.begin(), keys.begin() + std::min(kShown, keys.size()));
  return absl::StrCat(
      what, " ", absl::StrJoin(shown, ", "),
      keys.size() > kShown ? absl::StrCat(" and ", keys.size() - kShown, " more") : "", "; ");
}

}  // namespace

torch::Tensor ToTorch(const TensorView& view) {
  torch::Tensor tensor = torch::empty(view.shape, torch::dtype(ScalarOf(view.dtype)));
  if (!view.bytes.empty()) std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

TensorView ToView(const torch::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.device().is_cpu(),
              "only contiguous CPU tensors can be stored");
  return {DTypeOf(tensor.scalar_type()), tensor.sizes().vec(),
          absl::MakeSpan(static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes())};
}

absl::Status LoadParameters(const std::map<std::string, TensorView>& tensors, bool strict,
                            torch::nn::Module* module) {
  torch::NoGradGuard no_grad;
  std::vector<std::string> missing, misshapen, unexpected;
  const std::map<std::string, torch::Tensor> targets = AllTensors(*module);
  for (const auto& [key, target] : targets) {
    const auto found = tensors.find(key);
    if (found == tensors.end()) {
      missing.push_back(key);
    } else if (found->second.shape != target.sizes().vec()) {
      misshapen.push_back(absl::StrCat(key, " ", ShapeText(found->second.shape), " instead of ",
                                       ShapeText(target.sizes().vec())));
    }
  }
  for (const auto& [key, view] : tensors) {
    if (strict && targets.count(key) == 0) unexpected.push_back(key);
  }
  const std::string problems =
      absl::StrCat(Listed("missing", missing), Listed("wrong shape", misshapen),
                   Listed("unexpected", unexpected));
  if (!problems.empty()) {
    return absl::DataLossError("weights do not fit the model: " +
                               problems.substr(0, problems.size() - 2));
  }
  for (auto [key, target] : targets) target.copy_(ToTorch(tensors.at(key)));
  return absl::OkStatus();
}

absl::StatusOr<VideoModel> LoadVideoModel(const ModelFiles& files, WithEncoder with_encoder) {
  SM_RETURN_IF_ERROR(Annotate(ValidateModelConfig(files.manifest.model()), files.directory));
  VideoModel model(files.manifest.model(), with_encoder);
  std::map<std::string, TensorView> wanted;
  const std::map<std::string, torch::Tensor> targets = AllTensors(*model);
  for (const auto& [key, view] : files.tensors) {
    // A shallower encoder, or none, leaves backbone keys over; nothing else may be.
    if (absl::StartsWith(key, kBackbonePrefix) && targets.count(key) == 0) continue;
    wanted.emplace(key, view);
  }
  const absl::Status loaded = LoadParameters(wanted, /*strict=*/true, model.ptr().get());
  if (!loaded.ok()) return Annotate(loaded, files.directory);
  model->eval();
  return model;
}

std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module,
                                                  const std::vector<std::string>& skip_prefixes) {
  std::map<std::string, torch::Tensor> result;
  for (const auto& [key, tensor] : AllTensors(module)) {
    const bool skip = std::any_of(skip_prefixes.begin(), skip_prefixes.end(),
                                  [&, k = key](const auto& p) { return absl::StartsWith(k, p); });
    if (!skip) result[key] = tensor.detach();
  }
  return result;
}

absl::Status SaveModelDirectory(const std::string& directory, config::Manifest manifest,
                                const std::map<std::string, torch::Tensor>& tensors,
                                torch::ScalarType dtype) {
  const std::string file = "weights.safetensors";
  const std::string path = (std::filesystem::path(directory) / file).string();
  std::map<std::string, torch::Tensor> kept;  // owns what the views borrow
  std::map<std::string, TensorView> views;
  for (const auto& [key, tensor] : tensors) {
    kept[key] = tensor.to(torch::kCPU, dtype).contiguous();
    views.emplace(key, ToView(kept[key]));
  }
  SM_RETURN_IF_ERROR(WriteSafetensors(path, views));
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
  config::WeightPart* own = nullptr;
  for (config::WeightPart& part : *manifest.mutable_parts()) {
    if (part.file() == file) own = &part;
  }
  if (own == nullptr) own = manifest.add_parts();
  if (own->role().empty()) own->set_role(manifest.role() == "backbone" ? "backbone" : "head");
  own->set_file(file);
  own->set_sha256(digest);
  return WriteManifest(directory, manifest);
}

}  // namespace slotmatch
