#pragma once

#include <vector>

#include "absl/status/status.h"
#include "core/base/options.h"

namespace slotmatch {

// A sub-command of slotmatch_trainer; argv[0] is its name.
struct Command {
  const char* name;
  const char* summary;
  absl::Status (*run)(int argc, char** argv);
};
const std::vector<Command>& CommandTable();

absl::Status TrainCommand(int argc, char** argv);
absl::Status EvaluateCommand(int argc, char** argv);
absl::Status DescribeCommand(int argc, char** argv);
absl::Status DatasetCommand(int argc, char** argv);
absl::Status InferCommand(int argc, char** argv);
absl::Status ExportCommand(int argc, char** argv);
absl::Status ImportCommand(int argc, char** argv);
absl::Status ReportCommand(int argc, char** argv);
absl::Status TheoremCommand(int argc, char** argv);

}  // namespace slotmatch
