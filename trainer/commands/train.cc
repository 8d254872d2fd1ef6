#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/dist/launch.h"
#include "trainer/eval/validation.h"
#include "trainer/loop/adapt.h"
#include "trainer/loop/trainer.h"
#include "trainer/loop/validate_config.h"

namespace slotmatch {
namespace {

constexpr int kMostProcesses = 1024;

// A signal handler may only touch a flag, and a flag it can reach is a global one.
std::atomic<int> stop_signal{0};

void OnSignal(int signal) { stop_signal.store(signal); }

constexpr char kAdaptRecipe[] = "configs/train/adapt.textproto";

struct Arguments {
  std::string config, data, from, data_root;
  std::vector<std::string> overrides;
  bool print_config = false;
  int64_t processes = 1;
};

void AddOptions(Arguments* arguments, TrainOptions* train, OptionTable* options) {
  options->Text("config", "FILE", "training config, e.g. configs/train/slotmatch.textproto",
                &arguments->config);
  options->Text("from", "DIR",
                "model directory to go on from: its architecture and encoder replace the config's, "
                "which is by default the recipe for adapting, configs/train/adapt.textproto",
                &arguments->from);
  options->Text("data", "PATH",
                "videos to train on in place of the config's: a video, a folder of videos, of "
                "frames, or in DAVIS layout",
                &arguments->data);
  options->Repeated("set", "PATH=VALUE", "override of a config field", &arguments->overrides);
  options->Text("data-root", "DIR", "folder in front of every relative dataset path",
                &arguments->data_root);
  options->Text("out", "DIR", "run folder, by default runs/<name of the config>", &train->out);
  options->Flag("resume", "go on from the newest checkpoint of the run folder", &train->resume);
  options->Integer("nproc", "N", "processes on this machine that share every batch",
                   &arguments->processes);
  options->Flag("print-config", "print the resolved config and exit", &arguments->print_config);
}

absl::StatusOr<config::TrainConfig> ReadConfig(const Arguments& arguments) {
  config::TrainConfig config;
  SM_RETURN_IF_ERROR(LoadConfigFile(arguments.config, &config));
  if (!arguments.from.empty()) SM_RETURN_IF_ERROR(AdaptModel(arguments.from, &config));
  if (!arguments.data.empty()) {
    SM_ASSIGN_OR_RETURN(config::DatasetConfig data, GuessDataset(arguments.data));
    // Its rate is that of the recipe's videos.
    for (const config::DatasetConfig& dataset : config.data().datasets()) {
      if (dataset.kind() == data.kind()) data.set_max_fps(dataset.max_fps());
    }
    config.mutable_data()->clear_datasets();
    *config.mutable_data()->add_datasets() = std::move(data);
  }
  SM_RETURN_IF_ERROR(ApplyOverrides(arguments.overrides, &config));
  const auto prefix = [&](config::DatasetConfig* dataset) {
    dataset->set_path((std::filesystem::path(arguments.data_root) / dataset->path()).string());
  };
  if (arguments.data.empty()) {
    for (config::DatasetConfig& dataset : *config.mutable_data()->mutable_datasets()) {
      prefix(&dataset);
    }
  }
  if (!config.validation().dataset().path().empty()) {
    prefix(config.mutable_validation()->mutable_dataset());
  }
  return config;
}

// The command line without --nproc, for each of the processes.
std::vector<std::string> WithoutProcesses(int argc, char** argv) {
  std::vector<std::string> rest = {"slotmatch_trainer"};
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--nproc") {
      ++i;
    } else if (!absl::StartsWith(argument, "--nproc=")) {
      rest.push_back(argument);
    }
  }
  return rest;
}

absl::Status TrainHere(const config::TrainConfig& config, TrainOptions train) {
  SM_ASSIGN_OR_RETURN(train.place, PlaceFromEnvironment());
  const bool first = train.place.first();
  if (!first) InitLog("error", /*json=*/false);
  train.progress = first;
  SM_RETURN_IF_ERROR(ValidateTrainConfig(config, train.place.size));
  std::unique_ptr<Validator> validator;
  if (first) {
    SM_ASSIGN_OR_RETURN(validator, MakeValidator(config));
  }
  train.validator = validator.get();
  const absl::Status status = Train(config, train);
  return first ? status : Annotate(status, absl::StrCat("process ", train.place.rank));
}

}  // namespace

absl::Status TrainCommand(int argc, char** argv) {
  Arguments arguments;
  TrainOptions train;
  OptionTable options("slotmatch_trainer train",
                      "Trains a model by a recipe: slotmatch_trainer train --config FILE");
  AddOptions(&arguments, &train, &options);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (arguments.config.empty() && !arguments.from.empty()) arguments.config = kAdaptRecipe;
  if (arguments.config.empty()) {
    return absl::InvalidArgumentError("train needs --config FILE, or --from DIR and --data PATH");
  }
  if (arguments.processes < 1 || arguments.processes > kMostProcesses) {
    return absl::InvalidArgumentError(
        absl::StrCat("--nproc ", arguments.processes, " is not from 1 to ", kMostProcesses));
  }
  SM_ASSIGN_OR_RETURN(const config::TrainConfig config, ReadConfig(arguments));
  if (arguments.print_config) {
    std::printf("%s", ConfigText(config, /*all=*/true).c_str());
    return absl::OkStatus();
  }
  train.recipe = arguments.config;
  if (train.out.empty()) train.out = "runs/" + config.name();
  train.stop = &stop_signal;
  signal(SIGINT, OnSignal);
  signal(SIGTERM, OnSignal);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of writing it
  if (arguments.processes == 1) return TrainHere(config, train);
  const auto processes = static_cast<int>(arguments.processes);
  SM_RETURN_IF_ERROR(ValidateTrainConfig(config, processes));
  return RunProcesses("/proc/self/exe", WithoutProcesses(argc, argv), processes, stop_signal);
}

}  // namespace slotmatch
