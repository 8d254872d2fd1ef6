#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "trainer/step/train_step.h"

namespace slotmatch {

// What a running training shows to Prometheus.
struct TrainProgress {
  std::string run;  // name of the run's config
  int64_t step = 0;
  int64_t max_steps = 0;
  double steps_per_s = 0;
  double data_wait_ratio = 0;  // share of the time that steps waited for data
  absl::Time time;
};

// The numbers in Prometheus's text format: gauges slotmatch_train_* with a label `run`,
// for node_exporter's textfile collector.
std::string TrainMetricsText(const TrainProgress& progress, const StepReport& report);

}  // namespace slotmatch
