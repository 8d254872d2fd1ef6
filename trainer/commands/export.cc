#include <torch/torch.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/config/config.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/commands/commands.h"
#include "trainer/loop/model_writer.h"

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

}  // namespace

absl::Status ExportCommand(int argc, char** argv) {
  std::string run, to, recipe, data;
  std::vector<std::string> checkpoints, scores;
  OptionTable options("slotmatch_trainer export",
                      "Writes a checkpoint of a run as a model directory that the server loads.");
  options.Text("run", "DIR", "run folder of slotmatch_trainer train", &run);
  options.Repeated("checkpoint", "DIR",
                   "checkpoint to write, by default the run's newest; several: the mean of their "
                   "weights",
                   &checkpoints);
  options.Text("to", "DIR", "model directory to write, REPOSITORY/NAME/VERSION", &to);
  options.Text("recipe", "FILE", "path of the recipe, for the manifest", &recipe);
  options.Text("data", "TEXT", "training data, for the manifest; by default what the run says",
               &data);
  options.Repeated("scores", "DATASET=FILE", "scores of evaluate --json, for the manifest",
                   &scores);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.help_asked()) {
    std::printf("%s", options.Help().c_str());
    return absl::OkStatus();
  }
  if (run.empty() || to.empty()) return absl::InvalidArgumentError("export needs --run and --to");
  ModelToWrite model;
  SM_RETURN_IF_ERROR(
      LoadConfigFile((fs::path(run) / "train_config.textproto").string(), &model.config));
  SM_ASSIGN_OR_RETURN(const Checkpoint checkpoint, ReadCheckpoints(run, checkpoints));
  model.directory = to;
  model.tensors = checkpoint.model;
  model.provenance.set_recipe(recipe);
  model.provenance.set_data(data.empty() ? DataOfRun(run, model.config.name()) : data);
  model.provenance.set_seed(model.config.loop().seed());
  model.provenance.set_steps(checkpoint.step);
  model.provenance.set_commit(Commit());
  for (const std::string& argument : scores) {
    SM_RETURN_IF_ERROR(AddScores(argument, &model.provenance));
  }
  SM_RETURN_IF_ERROR(WriteModel(model));
  std::printf("step %lld of %s -> %s\n", static_cast<long long>(checkpoint.step), run.c_str(),
              to.c_str());
  return absl::OkStatus();
}

}  // namespace slotmatch
