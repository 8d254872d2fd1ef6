#include "tests/integration/tiny_training.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kRecipe[] = R"pb(
  name: "tiny"
  role: "teacher"
  backbone: "models/dinov2_vits14/1"
  model {
    num_slots: 4
    slot_dim: 16
    encoder { input_height_px: 112 input_width_px: 112 }
    decoder { hidden_dim: 32 }
    target_normalization: PER_CHANNEL
  }
  data {
    datasets { kind: "davis" path: "samples/moving_solids" split: "train" }
    clip_frames: 2
    batch_clips: $CLIPS
    feature_cache_dir: "$CACHE"
  }
  optim { learning_rate: 1e-3 warmup_steps: 5 clip_norm: 1 }
  losses { name: "reconstruction" }
  losses { name: "slot_contrast" weight: 0.5 }
  loop { max_steps: $STEPS checkpoint_every: $EVERY log_every: 1 seed: 3 threads: 1 }
)pb";

constexpr int kBatchClips = 4;  // parts for four processes

}  // namespace

std::string TinyRecipe(const std::string& cache, int steps, int batch_clips) {
  return absl::StrReplaceAll(kRecipe, {{"$CACHE", cache},
                                       {"$STEPS", absl::StrCat(steps)},
                                       {"$CLIPS", absl::StrCat(batch_clips)},
                                       {"$EVERY", absl::StrCat(TinyTraining::kCheckpointEvery)}});
}

TinyTraining::TinyTraining(const std::string& name, int steps) : folder_(FreshFolder(name)) {
  WriteBytes(Recipe(), TinyRecipe(folder_ + "/features", steps, kBatchClips));
}

std::unique_ptr<Process> TinyTraining::Start(const std::string& run,
                                             const std::vector<std::string>& more,
                                             const std::string& before) {
  std::vector<std::string> command = {
      ProgramPath(kProgram), "train", "--config", Recipe(), "--out", Out(run)};
  command.insert(command.end(), more.begin(), more.end());
  if (!before.empty()) {
    command.insert(command.begin(), {"/bin/bash", "-c", before + " exec \"$0\" \"$@\""});
  }
  return std::make_unique<Process>(command, absl::StrCat(folder_, "/", ++started_, ".log"));
}

std::string TinyTraining::Run(const std::string& run, const std::vector<std::string>& more,
                              int code, const std::string& before) {
  const auto process = Start(run, more, before);
  EXPECT_EQ(process->Wait(kRunPatience), code) << process->Output();
  return process->Output();
}

bool TinyTraining::Logged(const std::string& run, int steps) const {
  return Eventually([&] { return CountLines(Out(run) + "/losses.jsonl") >= steps; }, kRunPatience);
}

std::string TinyTraining::Weights(const std::string& run) const {
  return FileBytes(Out(run) + "/models/tiny/1/weights.safetensors");
}

std::vector<nlohmann::json> TinyTraining::Losses(const std::string& run) const {
  std::vector<nlohmann::json> lines;
  for (const std::string& line : Lines(FileBytes(Out(run) + "/losses.jsonl"))) {
    lines.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
  }
  return lines;
}

std::vector<std::string> TinyTraining::Checkpoints(const std::string& run) const {
  std::vector<std::string> names;
  if (!fs::exists(Out(run) + "/checkpoints")) return names;
  for (const auto& entry : fs::directory_iterator(Out(run) + "/checkpoints")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace slotmatch
