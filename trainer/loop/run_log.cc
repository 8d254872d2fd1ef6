#include "trainer/loop/run_log.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/loop/loss_log.h"
#include "trainer/loop/metrics_file.h"

namespace slotmatch {
namespace {

// A value under its names in a .jsonl file and in the event file.
struct Logged {
  std::string key, tag;
  double value;
};

absl::Status WriteValues(const std::vector<Logged>& values, int64_t steps_done, const char* name,
                         std::ofstream* file, EventFile* events) {
  nlohmann::json line = {{"step", steps_done}};
  std::vector<std::pair<std::string, double>> scalars;
  for (const Logged& logged : values) {
    line[logged.key] = logged.value;
    scalars.emplace_back(logged.tag, logged.value);
  }
  if (*file << line.dump() << std::endl) return events->AddScalars(steps_done, scalars);
  return absl::AbortedError(absl::StrCat("cannot write ", name, " (is the disk full?)"));
}

}  // namespace

RunLog::RunLog(const config::TrainConfig& config, int64_t steps_done, bool progress)
    : config_(config),
      first_step_(steps_done),
      started_(absl::Now()),
      progress_(std::make_unique<Progress>("train", "steps", config.loop().max_steps(), progress)) {
}

absl::StatusOr<RunLog> RunLog::Open(const std::string& folder, const config::TrainConfig& config,
                                    int64_t steps_done, bool writes, bool progress) {
  RunLog log(config, steps_done, writes && progress);
  log.writes_ = writes;
  if (!writes) return log;
  const std::filesystem::path path(folder);
  log.metrics_path_ = (path / "metrics.prom").string();
  SM_ASSIGN_OR_RETURN(log.losses_, OpenLossLog((path / "losses.jsonl").string(), steps_done));
  SM_ASSIGN_OR_RETURN(log.scores_, OpenLossLog((path / "scores.jsonl").string(), steps_done));
  SM_ASSIGN_OR_RETURN(log.events_, EventFile::Create(folder, steps_done));
  return log;
}

absl::Status RunLog::Step(const StepReport& report, int64_t steps_done, absl::Duration data_wait) {
  if (!writes_) return absl::OkStatus();
  std::string note;
  for (const auto& [name, value] : report.losses) {
    absl::StrAppendFormat(&note, "%s %.4f  ", name, value);
  }
  absl::StrAppendFormat(&note, "grad %.2f  lr %.1e", report.grad_norm, report.learning_rate);
  progress_->Update(steps_done, note);
  const config::LoopConfig& loop = config_.loop();
  if (steps_done % loop.log_every() != 0 && steps_done != loop.max_steps()) {
    return absl::OkStatus();
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - started_);
  const double wait_share = absl::ToDoubleSeconds(data_wait) / seconds;
  const double steps_per_s = static_cast<double>(steps_done - first_step_) / seconds;
  std::vector<Logged> values = {{"loss", "loss/total", report.total},
                                {"grad_norm", "optim/grad_norm", report.grad_norm},
                                {"learning_rate", "optim/learning_rate", report.learning_rate},
                                {"data_wait_share", "speed/data_wait_share", wait_share},
                                {"steps_per_s", "speed/steps_per_s", steps_per_s}};
  for (const auto& [name, value] : report.losses) values.push_back({name, "loss/" + name, value});
  SM_RETURN_IF_ERROR(WriteValues(values, steps_done, "losses.jsonl", &losses_, events_.get()));
  return WriteFileAtomically(
      metrics_path_, TrainMetricsText({config_.name(), steps_done, loop.max_steps(), steps_per_s,
                                       wait_share, absl::Now()},
                                      report));
}

absl::Status RunLog::Scores(const std::map<std::string, double>& scores, int64_t steps_done) {
  if (!writes_) return absl::OkStatus();
  std::vector<Logged> values;
  for (const auto& [name, value] : scores) {
    values.push_back({name, "validation/" + name, value});
  }
  return WriteValues(values, steps_done, "scores.jsonl", &scores_, events_.get());
}

absl::Status RunLog::Pictures(const std::map<std::string, std::string>& pictures,
                              int64_t steps_done) {
  if (!writes_) return absl::OkStatus();
  for (const auto& [name, png] : pictures) {
    SM_RETURN_IF_ERROR(events_->AddImage(steps_done, "masks/" + name, png));
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
