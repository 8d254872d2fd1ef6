#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/progress.h"
#include "slotmatch/config/train.pb.h"
#include "trainer/report/event_file.h"
#include "trainer/step/train_step.h"

namespace slotmatch {

// What a run tells of itself: the progress line, and in its folder losses.jsonl, scores.jsonl,
// metrics.prom and an event file for TensorBoard. Goes on after the step it was opened with.
class RunLog {
 public:
  // Without `writes` (processes other than the first) nothing is written or shown.
  static absl::StatusOr<RunLog> Open(const std::string& folder, const config::TrainConfig& config,
                                     int64_t steps_done, bool writes, bool progress);

  // After each step. kAborted when the file cannot be written.
  absl::Status Step(const StepReport& report, int64_t steps_done, absl::Duration data_wait);
  absl::Status Scores(const std::map<std::string, double>& scores, int64_t steps_done);
  // PNGs by name, for TensorBoard.
  absl::Status Pictures(const std::map<std::string, std::string>& pictures, int64_t steps_done);

 private:
  RunLog(const config::TrainConfig& config, int64_t steps_done, bool progress);

  config::TrainConfig config_;
  std::string metrics_path_;
  int64_t first_step_;
  absl::Time started_;
  bool writes_ = true;
  std::unique_ptr<Progress> progress_;
  std::ofstream losses_, scores_;
  std::unique_ptr<EventFile> events_;
};

}  // namespace slotmatch
