#include "trainer/checkpoint/checkpoint.h"

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/model/model_io.h"
#include "core/weights/safetensors.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kModelFile[] = "model.safetensors";
constexpr char kOptimizerFile[] = "optimizer.safetensors";
constexpr char kStepPrefix[] = "step_";

absl::Status WriteTensors(const fs::path& path, const std::map<std::string, torch::Tensor>& tensors,
                          int64_t step) {
  std::map<std::string, torch::Tensor> kept;
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    kept[name] = tensor.cpu().contiguous();
    views.emplace(name, ToView(kept[name]));
  }
  return WriteSafetensors(path.string(), views, {{"step", absl::StrCat(step)}});
}

absl::StatusOr<std::map<std::string, torch::Tensor>> ReadTensors(const fs::path& path,
                                                                 int64_t* step) {
  SM_ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path.string()));
  const auto found = file->metadata().find("step");
  if (found == file->metadata().end() || !absl::SimpleAtoi(found->second, step)) {
    return absl::DataLossError(path.string() + " does not say its step");
  }
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, view] : file->tensors()) tensors[name] = ToTorch(view);
  return tensors;
}

// Checkpoint folders, newest first. Their names are padded, so name order is step order.
std::vector<std::string> Checkpoints(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && absl::StartsWith(name, kStepPrefix)) {
      found.push_back(entry.path().string());
    }
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& folder, const Checkpoint& checkpoint, int keep) {
  const fs::path target =
      fs::path(folder) / absl::StrFormat("%s%09d", kStepPrefix, checkpoint.step);
  const fs::path temporary = fs::path(folder) / absl::StrCat(".tmp_", checkpoint.step);
  std::error_code error;
  fs::remove_all(temporary, error);
  absl::Status status = WriteTensors(temporary / kModelFile, checkpoint.model, checkpoint.step);
  if (status.ok()) {
    status = WriteTensors(temporary / kOptimizerFile, checkpoint.optimizer, checkpoint.step);
  }
  if (!status.ok()) {
    fs::remove_all(temporary, error);
    return status;
  }
  fs::remove_all(target, error);
  fs::rename(temporary, target, error);
  if (error) {
    return absl::AbortedError(
        absl::StrCat("cannot write ", target.string(), ": ", error.message()));
  }
  const std::vector<std::string> all = Checkpoints(folder);
  for (size_t i = static_cast<size_t>(std::max(1, keep)); i < all.size(); ++i) {
    fs::remove_all(all[i], error);
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory) {
  Checkpoint checkpoint;
  int64_t optimizer_step = -1;
  SM_ASSIGN_OR_RETURN(checkpoint.model,
                      ReadTensors(fs::path(directory) / kModelFile, &checkpoint.step));
  SM_ASSIGN_OR_RETURN(checkpoint.optimizer,
                      ReadTensors(fs::path(directory) / kOptimizerFile, &optimizer_step));
  if (optimizer_step != checkpoint.step) {
    return absl::DataLossError(directory + " mixes two steps");
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint> LoadNewestCheckpoint(const std::string& folder) {
  for (const std::string& directory : Checkpoints(folder)) {
    absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(directory);
    if (checkpoint.ok()) return checkpoint;
    SM_WARNING("checkpoint passed over directory={} reason=\"{}\"", directory,
               std::string(checkpoint.status().message()));
  }
  return absl::NotFoundError(absl::StrCat("no complete checkpoint in ", folder));
}

}  // namespace slotmatch
