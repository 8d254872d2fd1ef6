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

}  // namespace

absl::Status ExportCommand(int argc, char** argv) {
  std::string run, checkpoint_dir, to, recipe, data;
  std::vector<std::string> scores;
  OptionTable options("slotmatch_trainer export",
                      "Writes a checkpoint of a run as a model directory that the server loads.");
  options.Text("run", "DIR", "run folder of slotmatch_trainer train", &run);
  options.Text("checkpoint", "DIR", "one checkpoint of it; by default the newest", &checkpoint_dir);
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
  SM_RETURN_IF_ERROR(LoadConfigFile((fs::path(run) / "train_config.textproto").string(),
                                    &model.config));
  SM_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                      checkpoint_dir.empty()
                          ? LoadNewestCheckpoint((fs::path(run) / "checkpoints").string())
                          : LoadCheckpoint(checkpoint_dir));
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
