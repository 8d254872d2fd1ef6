#include "trainer/loop/metrics_file.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace slotmatch {
namespace {

using Samples = std::vector<std::pair<std::string, double>>;  // labels, value

std::string Label(const std::string& name, const std::string& value) {
  return absl::StrCat(name, "=\"",
                      absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
                      "\"");
}

void AppendGauge(const std::string& name, const std::string& help, const Samples& samples,
                 std::string* text) {
  absl::StrAppend(text, "# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n");
  for (const auto& [labels, value] : samples) {
    absl::StrAppendFormat(text, "%s{%s} %.13g\n", name, labels, value);
  }
}

}  // namespace

std::string TrainMetricsText(const TrainProgress& progress, const StepReport& report) {
  const std::string run = Label("run", progress.run);
  std::string text;
  const auto gauge = [&](const std::string& name, const std::string& help, double value) {
    AppendGauge(absl::StrCat("slotmatch_train_", name), help, {{run, value}}, &text);
  };
  gauge("step", "Optimiser steps done.", static_cast<double>(progress.step));
  gauge("max_steps", "Optimiser steps of the whole run.", static_cast<double>(progress.max_steps));
  gauge("steps_per_second", "Mean since the program started.", progress.steps_per_s);
  gauge("data_wait_ratio", "Share of the time that steps waited for data.",
        progress.data_wait_ratio);
  gauge("total_loss", "Weighted sum of the losses.", report.total);
  gauge("gradient_norm", "Norm of the gradient before clipping.", report.grad_norm);
  gauge("learning_rate", "Learning rate of the last step.", report.learning_rate);
  gauge("written_timestamp_seconds", "When these numbers were written, since the epoch.",
        absl::ToDoubleSeconds(progress.time - absl::UnixEpoch()));
  Samples losses;
  for (const auto& [name, value] : report.losses) {
    losses.emplace_back(absl::StrCat(run, ",", Label("loss", name)), value);
  }
  AppendGauge("slotmatch_train_loss", "Losses of the last step, unweighted.", losses, &text);
  return text;
}

}  // namespace slotmatch
