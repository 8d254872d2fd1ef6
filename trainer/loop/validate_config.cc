#include "trainer/loop/validate_config.h"

#include <unistd.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/cpu.h"
#include "core/model/device.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_config.h"
#include "trainer/loss/loss.h"

namespace slotmatch {
namespace {

using config::TrainConfig;
using Problems = std::vector<std::string>;

constexpr double kMost = std::numeric_limits<double>::max();
constexpr double kAboveZero = std::numeric_limits<double>::min();
constexpr double kMostSteps = 1e12, kMostInt = std::numeric_limits<int32_t>::max();

// A number that has to lie in [low, high].
template <typename Message>
struct Range {
  const char* name;
  double (*value)(const Message&);
  double low, high;
};

constexpr Range<TrainConfig> kRanges[] = {
    {"data.clip_frames", [](const TrainConfig& c) -> double { return c.data().clip_frames(); }, 1,
     kMostInt},
    {"data.batch_clips", [](const TrainConfig& c) -> double { return c.data().batch_clips(); }, 1,
     kMostInt},
    {"data.horizontal_flip", [](const TrainConfig& c) { return c.data().horizontal_flip(); }, 0, 1},
    {"data.crop_variants", [](const TrainConfig& c) -> double { return c.data().crop_variants(); },
     1, kMostInt},
    {"optim.learning_rate", [](const TrainConfig& c) { return c.optim().learning_rate(); },
     kAboveZero, kMost},
    {"optim.warmup_steps", [](const TrainConfig& c) -> double { return c.optim().warmup_steps(); },
     0, kMostSteps},
    {"optim.decay_steps", [](const TrainConfig& c) -> double { return c.optim().decay_steps(); }, 0,
     kMostSteps},
    {"optim.decay_rate", [](const TrainConfig& c) { return c.optim().decay_rate(); }, kAboveZero,
     kMost},
    {"optim.clip_norm", [](const TrainConfig& c) { return c.optim().clip_norm(); }, kAboveZero,
     kMost},
    {"loop.max_steps", [](const TrainConfig& c) -> double { return c.loop().max_steps(); }, 1,
     kMostSteps},
    {"loop.checkpoint_every",
     [](const TrainConfig& c) -> double { return c.loop().checkpoint_every(); }, 1, kMostSteps},
    {"loop.keep_checkpoints",
     [](const TrainConfig& c) -> double { return c.loop().keep_checkpoints(); }, 1, kMostInt},
    {"loop.log_every", [](const TrainConfig& c) -> double { return c.loop().log_every(); }, 1,
     kMostSteps},
    {"loop.threads", [](const TrainConfig& c) -> double { return c.loop().threads(); }, 0, 4096},
    {"loop.decoder_tokens",
     [](const TrainConfig& c) -> double { return c.loop().decoder_tokens(); }, 0, kMostInt},
    {"loop.max_minutes", [](const TrainConfig& c) { return c.loop().max_minutes(); }, 0, kMost},
    {"loop.accumulate", [](const TrainConfig& c) -> double { return c.loop().accumulate(); }, 1,
     kMostInt},
    {"loop.process_timeout_s",
     [](const TrainConfig& c) -> double { return c.loop().process_timeout_s(); }, 1, 1e6},
    {"validation.max_videos",
     [](const TrainConfig& c) -> double { return c.validation().max_videos(); }, 0, kMostInt},
};

constexpr Range<config::DatasetConfig> kDatasetRanges[] = {
    {"weight", [](const config::DatasetConfig& c) { return c.weight(); }, kAboveZero, kMost},
    {"max_fps", [](const config::DatasetConfig& c) { return c.max_fps(); }, 0, kMost},
    {"held_out_videos",
     [](const config::DatasetConfig& c) -> double { return c.held_out_videos(); }, 0, kMostInt},
    {"every", [](const config::DatasetConfig& c) -> double { return c.every(); }, 1, kMostInt},
};

constexpr Range<config::LossConfig> kLossRanges[] = {
    {"weight", [](const config::LossConfig& c) { return c.weight(); }, -kMost, kMost},
    {"temperature", [](const config::LossConfig& c) { return c.temperature(); }, kAboveZero, kMost},
    {"position_weight", [](const config::LossConfig& c) { return c.position_weight(); }, 0, kMost},
};

std::string Bounds(double low, double high) {
  std::string text = low == kAboveZero ? "above 0" : low == -kMost ? "finite" : "";
  if (text.empty()) absl::StrAppendFormat(&text, "at least %g", low);
  if (high == kMost && low != -kMost) text += " and finite";
  if (high < kMostInt) absl::StrAppendFormat(&text, " and at most %g", high);
  return text;
}

template <typename Message, size_t kCount>
void CheckRanges(const Range<Message> (&ranges)[kCount], const std::string& where,
                 const Message& message, Problems* problems) {
  for (const Range<Message>& range : ranges) {
    const double value = range.value(message);
    if (value >= range.low && value <= range.high) continue;  // not so for NaN
    problems->push_back(absl::StrFormat("%s%s is %g; it has to be %s", where, range.name, value,
                                        Bounds(range.low, range.high)));
  }
}

void CheckPaths(const TrainConfig& config, Problems* problems) {
  const auto require = [problems](const std::string& what, const std::string& path) {
    if (!std::filesystem::exists(path)) {
      problems->push_back(absl::StrCat(what, " '", path, "' does not exist"));
    }
  };
  require("backbone", config.backbone());
  if (!config.teacher().path().empty()) require("teacher.path", config.teacher().path());
  if (!config.init_from().empty()) require("init_from", config.init_from());
  for (const config::DatasetConfig& dataset : config.data().datasets()) {
    require("data.datasets.path", dataset.path());
  }
  const std::string& validation = config.validation().dataset().path();
  if (!validation.empty()) require("validation.dataset.path", validation);
}

void CheckData(const config::DataConfig& data, Problems* problems) {
  if (data.datasets().empty()) problems->push_back("data.datasets: none is configured");
  for (int i = 0; i < data.datasets_size(); ++i) {
    CheckRanges(kDatasetRanges, absl::StrCat("data.datasets[", i, "]."), data.datasets(i),
                problems);
  }
  const config::RandomCrop& crop = data.crop();
  const bool area = crop.min_area() > 0 && crop.min_area() <= crop.max_area();
  const bool aspect = crop.min_aspect() > 0 && crop.min_aspect() <= crop.max_aspect();
  if (!area || crop.max_area() > 1 || !aspect) {
    problems->push_back("data.crop: areas need 0 < min <= max <= 1, aspects 0 < min <= max");
  }
}

void CheckLoop(const TrainConfig& config, int processes, Problems* problems) {
  const config::LoopConfig& loop = config.loop();
  const absl::StatusOr<torch::Device> device = FindDevice(loop.device());
  if (!device.ok()) problems->push_back(absl::StrCat("loop.", device.status().message()));
  if (loop.precision() == config::LoopConfig::BFLOAT16 && device.ok() && device->is_cpu() &&
      !CpuHasBfloat16()) {
    problems->push_back("loop.precision is BFLOAT16, which this CPU does not compute with");
  }
  const int64_t parts = int64_t{processes} * loop.accumulate();
  if (parts >= 1 && config.data().batch_clips() % parts != 0) {
    problems->push_back(absl::StrCat(
        "data.batch_clips ", config.data().batch_clips(), " cannot be shared by ", processes,
        processes == 1 ? " process" : " processes", " with loop.accumulate ", loop.accumulate()));
  }
}

// The tokens of a part of a batch, which are the least it takes.
void CheckMemory(const TrainConfig& config, int processes, Problems* problems) {
  const VitShape shape = EncoderShape(config.model().encoder()).value();
  const auto& encoder = config.model().encoder();
  const double tokens = (encoder.input_height_px() / shape.patch_px) *
                        static_cast<double>(encoder.input_width_px() / shape.patch_px);
  const double bytes = static_cast<double>(sizeof(float)) * config.data().batch_clips() /
                       processes * config.data().clip_frames() * tokens *
                       static_cast<double>(shape.dim);
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  if (bytes <= memory) return;
  problems->push_back(absl::StrFormat(
      "the tokens of one batch take %.1f GB, and this machine has %.1f GB; lower data.batch_clips, "
      "data.clip_frames or the model's input",
      bytes / 1e9, memory / 1e9));
}

}  // namespace

absl::Status ValidateTrainConfig(const TrainConfig& config, int processes) {
  Problems problems;
  if (!config.base().empty()) problems.push_back("base has a meaning in files only");
  if (config.name().empty()) problems.push_back("name is not set");
  if (config.role() != "teacher" && config.role() != "student") {
    problems.push_back("role '" + config.role() + "' is neither teacher nor student");
  }
  CheckRanges(kRanges, "", config, &problems);
  CheckData(config.data(), &problems);
  for (const config::LossConfig& loss : config.losses()) {
    CheckRanges(kLossRanges, absl::StrCat("losses[", loss.name(), "]."), loss, &problems);
  }
  CheckLoop(config, processes, &problems);
  const absl::Status model = ValidateModelConfig(config.model());
  if (model.ok()) {
    CheckMemory(config, processes, &problems);
  } else {
    problems.push_back("model: " + std::string(model.message()));
  }
  for (std::string& problem : LossProblems(config, !config.teacher().path().empty())) {
    problems.push_back(std::move(problem));
  }
  CheckPaths(config, &problems);
  return problems.empty() ? absl::OkStatus()
                          : absl::FailedPreconditionError(absl::StrJoin(problems, "; "));
}

}  // namespace slotmatch
