#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"

namespace slotmatch {

const std::vector<Command>& CommandTable() {
  static const auto& commands = *new std::vector<Command>{
      {"train", "train a teacher or a student by a recipe", TrainCommand},
      {"evaluate", "score models on a labelled dataset", EvaluateCommand},
      {"describe", "count parameters, FLOPs and memory of models", DescribeCommand},
      {"dataset", "report what is in a dataset, or show it", DatasetCommand},
      {"infer", "segment a video without a server", InferCommand},
      {"export", "write a checkpoint as a model directory, or a model for other programs",
       ExportCommand},
      {"import", "turn published weights into a model directory", ImportCommand},
      {"report", "make one HTML page of trainings: scores, curves, masks", ReportCommand},
      {"theorem", "check Theorem 1 of the paper on a trained decoder", TheoremCommand},
  };
  return commands;
}

namespace {

void PrintHelp() {
  std::printf(
      "Trains, scores and converts SlotMatch models.\n\nusage: slotmatch_trainer COMMAND "
      "[options]\n\nCommands (each has --help):\n");
  for (const Command& command : CommandTable()) {
    std::printf("  %-10s %s\n", command.name, command.summary);
  }
}

absl::Status Dispatch(int argc, char** argv) {
  if (argc < 2) {
    PrintHelp();
    return absl::InvalidArgumentError("a command is needed");
  }
  if (std::strcmp(argv[1], "--help") == 0) {
    PrintHelp();
    return absl::OkStatus();
  }
  if (std::strcmp(argv[1], "--version") == 0) {
    std::printf("%s", VersionText("slotmatch_trainer", TorchLibraries()).c_str());
    return absl::OkStatus();
  }
  for (const Command& command : CommandTable()) {
    if (std::strcmp(argv[1], command.name) == 0) return command.run(argc - 1, argv + 1);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown command '", argv[1], "'; see slotmatch_trainer --help"));
}

}  // namespace
}  // namespace slotmatch

int main(int argc, char** argv) {
  slotmatch::KeepFreedMemory();
  slotmatch::InitLog("info", /*json=*/false);
  return slotmatch::ExitStatus("slotmatch_trainer", slotmatch::Dispatch(argc, argv));
}
