#include <signal.h>

#include <cstdio>
#include <filesystem>

#include "core/base/options.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "trainer/commands/commands.h"
#include "trainer/loop/trainer.h"

namespace slotmatch {
namespace {

// A signal handler may only touch a flag, and a flag it can reach is a global one.
std::atomic<int> stop_signal{0};

void OnSignal(int signal) { stop_signal.store(signal); }

void PrefixDataRoot(const std::string& root, config::TrainConfig* config) {
  if (root.empty()) return;
  for (config::DatasetConfig& dataset : *config->mutable_data()->mutable_datasets()) {
    dataset.set_path((std::filesystem::path(root) / dataset.path()).string());
  }
}

}  // namespace

absl::Status TrainCommand(int argc, char** argv) {
  std::string config_path, data_root, out;
  std::vector<std::string> overrides;
  bool print_config = false;
  TrainOptions train;
  OptionTable options("slotmatch_trainer train",
                      "Trains a model by a recipe: slotmatch_trainer train --config FILE");
  options.Text("config", "FILE", "training config, e.g. configs/train/slotmatch.textproto",
               &config_path);
  options.Repeated("set", "PATH=VALUE", "override of a config field", &overrides);
  options.Text("data-root", "DIR", "folder in front of every relative dataset path", &data_root);
  options.Text("out", "DIR", "run folder, by default runs/<name of the config>", &out);
  options.Flag("resume", "go on from the newest checkpoint of the run folder", &train.resume);
  options.Flag("print-config", "print the resolved config and exit", &print_config);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.help_asked()) {
    std::printf("%s", options.Help().c_str());
    return absl::OkStatus();
  }
  if (config_path.empty()) return absl::InvalidArgumentError("train needs --config FILE");
  config::TrainConfig config;
  SM_RETURN_IF_ERROR(LoadConfigFile(config_path, &config));
  SM_RETURN_IF_ERROR(ApplyOverrides(overrides, &config));
  PrefixDataRoot(data_root, &config);
  if (print_config) {
    std::printf("%s", ConfigText(config, /*all=*/true).c_str());
    return absl::OkStatus();
  }
  train.recipe = config_path;
  train.out = out.empty() ? "runs/" + config.name() : out;
  train.stop = &stop_signal;
  signal(SIGINT, OnSignal);
  signal(SIGTERM, OnSignal);
  return Train(config, train);
}

}  // namespace slotmatch
