#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/commands/commands.h"
#include "trainer/convert/export_model.h"
#include "trainer/convert/key_report.h"
#include "trainer/loop/model_writer.h"
#include "trainer/loop/resize_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// "NAME=FILE": the scores that `evaluate --json FILE` wrote, under dataset NAME.
absl::Status AddScores(const std::string& argument, config::Provenance* provenance) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError("--scores needs DATASET=FILE, not '" + argument + "'");
  }
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(argument.substr(equals + 1)));
  const nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
  for (const char* metric : {"image_fg_ari", "video_fg_ari", "image_mbo", "video_mbo"}) {
    if (!object.is_object() || !object.contains(metric) || !object[metric].is_number()) {
      return absl::DataLossError(
          absl::StrCat(argument.substr(equals + 1), " has no number '", metric, "'"));
    }
    config::Score* score = provenance->add_scores();
    score->set_dataset(argument.substr(0, equals));
    score->set_metric(metric);
    score->set_value(object[metric].get<double>());
  }
  return absl::OkStatus();
}

absl::Status AddScores(const std::vector<std::string>& arguments, config::Provenance* provenance) {
  for (const std::string& argument : arguments) {
    SM_RETURN_IF_ERROR(AddScores(argument, provenance));
  }
  return absl::OkStatus();
}

// What a run that ended well says about its data; empty for another.
std::string DataOfRun(const fs::path& run, const std::string& name) {
  config::Manifest manifest;
  const fs::path file = run / "models" / name / "1" / "manifest.textproto";
  return LoadConfigFile(file.string(), &manifest).ok() ? manifest.provenance().data() : "";
}

// The checkpoints that are named, or the run's newest; several become the mean of their weights
// (model soup), whose step is the last one's.
absl::StatusOr<Checkpoint> ReadCheckpoints(const std::string& run,
                                           const std::vector<std::string>& directories) {
  if (directories.empty()) return LoadNewestCheckpoint((fs::path(run) / "checkpoints").string());
  SM_ASSIGN_OR_RETURN(Checkpoint mean, LoadCheckpoint(directories.front()));
  for (size_t i = 1; i < directories.size(); ++i) {
    SM_ASSIGN_OR_RETURN(const Checkpoint next, LoadCheckpoint(directories[i]));
    for (auto& [name, tensor] : mean.model) {
      const auto found = next.model.find(name);
      if (found == next.model.end() || found->second.sizes() != tensor.sizes()) {
        return absl::DataLossError(
            absl::StrCat(directories[i], " has no fitting '", name,
                         "': only checkpoints of one model can be averaged"));
      }
      tensor = tensor + (found->second - tensor) / static_cast<double>(i + 1);
    }
    mean.step = next.step;
  }
  return mean;
}

struct ExportArguments {
  std::string run, model, to, out, recipe, data;
  std::vector<std::string> checkpoints, scores;
  int64_t input_px = 0;
  bool best = false, verbose = false;
};

std::string FormatNames() {
  return absl::StrJoin(ExportFormats(), ", ", [](std::string* out, const ExportFormat& row) {
    absl::StrAppend(out, row.name);
  });
}

void AddOptions(ExportArguments* arguments, OptionTable* options) {
  options->Text("run", "DIR", "run folder of slotmatch_trainer train", &arguments->run);
  options->Repeated("checkpoint", "DIR",
                    "checkpoint to write, by default the run's newest; several: the mean of their "
                    "weights",
                    &arguments->checkpoints);
  options->Flag("best", "write the checkpoint of the best validation score", &arguments->best);
  options->Text("model", "DIR",
                "model directory to write in the names of another program, or with --input-size",
                &arguments->model);
  options->Integer("input-size", "PX",
                   "of a model: write it as a model directory for square inputs of PX, untrained: "
                   "position tables are resampled",
                   &arguments->input_px);
  options->Text("to", "DIR|FORMAT",
                absl::StrCat("of a run, or with --input-size: model directory to write, "
                             "REPOSITORY/NAME/VERSION; of a model: ",
                             FormatNames()),
                &arguments->to);
  options->Text("out", "FILE", "of a model: .safetensors, or .pth, .pt, .bin, .ckpt as torch.save",
                &arguments->out);
  options->Text("recipe", "FILE", "path of the recipe, for the manifest", &arguments->recipe);
  options->Text("data", "TEXT", "training data, for the manifest; by default what the run says",
                &arguments->data);
  options->Repeated("scores", "DATASET=FILE", "scores of evaluate --json, for the manifest",
                    &arguments->scores);
  options->Flag("verbose", "of a model: print what became of every key", &arguments->verbose);
}

absl::Status ExportRun(const ExportArguments& arguments) {
  ModelToWrite model;
  SM_RETURN_IF_ERROR(
      LoadConfigFile((fs::path(arguments.run) / "train_config.textproto").string(), &model.config));
  std::vector<std::string> checkpoints = arguments.checkpoints;
  if (arguments.best) {
    SM_ASSIGN_OR_RETURN(checkpoints.emplace_back(),
                        BestCheckpoint((fs::path(arguments.run) / "checkpoints").string()));
  }
  SM_ASSIGN_OR_RETURN(const Checkpoint checkpoint, ReadCheckpoints(arguments.run, checkpoints));
  model.directory = arguments.to;
  model.tensors = checkpoint.model;
  model.provenance.set_recipe(arguments.recipe);
  model.provenance.set_data(arguments.data.empty() ? DataOfRun(arguments.run, model.config.name())
                                                   : arguments.data);
  model.provenance.set_seed(model.config.loop().seed());
  model.provenance.set_steps(checkpoint.step);
  model.provenance.set_commit(Commit());
  SM_RETURN_IF_ERROR(AddScores(arguments.scores, &model.provenance));
  SM_RETURN_IF_ERROR(WriteModel(model));
  std::printf("step %lld of %s -> %s\n", static_cast<long long>(checkpoint.step),
              arguments.run.c_str(), arguments.to.c_str());
  return absl::OkStatus();
}

absl::Status ExportForSize(const ExportArguments& arguments) {
  const auto pixels = static_cast<int>(std::clamp<int64_t>(arguments.input_px, -1, 1 << 20));
  config::Provenance measured;
  SM_RETURN_IF_ERROR(AddScores(arguments.scores, &measured));
  SM_RETURN_IF_ERROR(ResizeModel(arguments.model, pixels, arguments.to, measured));
  std::printf("%s for %d x %d px -> %s\n", arguments.model.c_str(), pixels, pixels,
              arguments.to.c_str());
  return absl::OkStatus();
}

absl::Status ExportToFormat(const ExportArguments& arguments) {
  const ExportFormat* format = FindExportFormat(arguments.to);
  if (format == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--to '", arguments.to, "' is none of ", FormatNames()));
  }
  SM_ASSIGN_OR_RETURN(const std::vector<KeyUse> uses,
                      ExportModel(arguments.model, *format, arguments.out));
  std::printf("%s: %s\n%s\n", arguments.model.c_str(), format->what, SummarizeKeys(uses).c_str());
  if (arguments.verbose) std::printf("%s", ListKeys(uses).c_str());
  std::printf("-> %s\n", arguments.out.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportCommand(int argc, char** argv) {
  ExportArguments arguments;
  OptionTable options("slotmatch_trainer export",
                      "Writes a checkpoint of a run as a model directory that the server loads, or "
                      "a model directory as weights that other programs load.");
  AddOptions(&arguments, &options);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  const bool of_run = !arguments.run.empty() && !arguments.to.empty() && arguments.model.empty() &&
                      arguments.out.empty();
  const bool of_model = !arguments.model.empty() && !arguments.to.empty() && arguments.run.empty();
  const bool for_size = of_model && arguments.input_px != 0 && arguments.out.empty();
  const bool to_format = of_model && arguments.input_px == 0 && !arguments.out.empty();
  if (of_run && arguments.input_px == 0) return ExportRun(arguments);
  if (for_size) return ExportForSize(arguments);
  if (to_format) return ExportToFormat(arguments);
  return absl::InvalidArgumentError(
      "export needs --run DIR and --to DIR, or --model DIR, --to FORMAT and --out FILE, or --model "
      "DIR, --input-size PX and --to DIR");
}

}  // namespace slotmatch
