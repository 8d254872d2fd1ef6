#include "trainer/checkpoint/checkpoint.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
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
constexpr char kStateFile[] = "state.json";
constexpr char kStepPrefix[] = "step_";
constexpr char kTemporaryPrefix[] = ".tmp_";
constexpr char kHeadsPrefix[] = "loss_heads.";  // in the model's file

absl::Status WriteTensors(const fs::path& path,
                          const std::map<std::string, torch::Tensor>& tensors) {
  std::map<std::string, torch::Tensor> kept;
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    kept[name] = tensor.cpu().contiguous();
    views.emplace(name, ToView(kept[name]));
  }
  return WriteSafetensors(path.string(), views);
}

absl::StatusOr<std::map<std::string, torch::Tensor>> ReadTensors(const fs::path& path) {
  SM_ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path.string()));
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

// step, score and digests of the other files.
absl::Status WriteState(const fs::path& directory, const Checkpoint& checkpoint) {
  nlohmann::json state = {{"step", checkpoint.step}};
  if (checkpoint.score.has_value()) state["score"] = *checkpoint.score;
  for (const char* file : {kModelFile, kOptimizerFile}) {
    SM_ASSIGN_OR_RETURN(state["sha256"][file], Sha256OfFile((directory / file).string()));
  }
  return WriteFileAtomically((directory / kStateFile).string(), state.dump(2) + "\n");
}

absl::StatusOr<nlohmann::json> ReadState(const fs::path& directory) {
  const std::string path = (directory / kStateFile).string();
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  nlohmann::json state = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || !state.contains("step") || !state["step"].is_number_unsigned()) {
    return absl::DataLossError(path + " is damaged");
  }
  return state;
}

std::optional<double> ScoreOf(const std::string& directory) {
  const absl::StatusOr<nlohmann::json> state = ReadState(directory);
  if (!state.ok() || !state->contains("score") || !(*state)["score"].is_number()) return {};
  return (*state)["score"].get<double>();
}

absl::Status CheckDigest(const fs::path& directory, const char* file, const nlohmann::json& state) {
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile((directory / file).string()));
  const nlohmann::json::json_pointer place(std::string("/sha256/") + file);
  if (state.value(place, std::string()) == digest) return absl::OkStatus();
  return absl::DataLossError((directory / file).string() + " does not have its digest: damaged");
}

absl::Status WriteFiles(const fs::path& directory, const Checkpoint& checkpoint) {
  std::map<std::string, torch::Tensor> tensors = checkpoint.model;
  for (const auto& [name, tensor] : checkpoint.heads) tensors[kHeadsPrefix + name] = tensor;
  SM_RETURN_IF_ERROR(WriteTensors(directory / kModelFile, tensors));
  SM_RETURN_IF_ERROR(WriteTensors(directory / kOptimizerFile, checkpoint.optimizer));
  return WriteState(directory, checkpoint);
}

// What a killed run was writing.
void RemoveLeftOvers(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (absl::StartsWith(entry.path().filename().string(), kTemporaryPrefix)) {
      found.push_back(entry.path());
    }
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

void RemoveOld(const std::string& folder, int keep) {
  const std::string best = BestCheckpoint(folder).value_or("");
  const std::vector<std::string> all = Checkpoints(folder);
  std::error_code error;
  for (size_t i = static_cast<size_t>(std::max(1, keep)); i < all.size(); ++i) {
    if (all[i] != best) fs::remove_all(all[i], error);
  }
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& folder, const Checkpoint& checkpoint, int keep) {
  const fs::path target =
      fs::path(folder) / absl::StrFormat("%s%09d", kStepPrefix, checkpoint.step);
  const fs::path temporary = fs::path(folder) / absl::StrCat(kTemporaryPrefix, checkpoint.step);
  std::error_code error;
  RemoveLeftOvers(folder);
  const absl::Status written = WriteFiles(temporary, checkpoint);
  if (!written.ok()) {
    fs::remove_all(temporary, error);
    return written;
  }
  fs::remove_all(target, error);
  fs::rename(temporary, target, error);
  if (error) {
    return absl::AbortedError(
        absl::StrCat("cannot write ", target.string(), ": ", error.message()));
  }
  SM_RETURN_IF_ERROR(SyncFolder(folder));
  RemoveOld(folder, keep);
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory) {
  Checkpoint checkpoint;
  SM_ASSIGN_OR_RETURN(const nlohmann::json state, ReadState(directory));
  for (const char* file : {kModelFile, kOptimizerFile}) {
    SM_RETURN_IF_ERROR(CheckDigest(directory, file, state));
  }
  checkpoint.step = state["step"].get<int64_t>();
  SM_ASSIGN_OR_RETURN(const auto tensors, ReadTensors(fs::path(directory) / kModelFile));
  for (const auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, kHeadsPrefix)) {
      checkpoint.heads[name.substr(std::strlen(kHeadsPrefix))] = tensor;
    } else {
      checkpoint.model[name] = tensor;
    }
  }
  SM_ASSIGN_OR_RETURN(checkpoint.optimizer, ReadTensors(fs::path(directory) / kOptimizerFile));
  checkpoint.score = ScoreOf(directory);
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

absl::StatusOr<std::string> BestCheckpoint(const std::string& folder) {
  std::string best;
  std::optional<double> highest;
  for (const std::string& directory : Checkpoints(folder)) {  // newest first
    const std::optional<double> score = ScoreOf(directory);
    if (!score.has_value() || (highest.has_value() && *score < *highest)) continue;
    best = directory;
    highest = score;
  }
  if (!best.empty()) return best;
  return absl::NotFoundError(absl::StrCat("no checkpoint in ", folder, " has a validation score"));
}

}  // namespace slotmatch
