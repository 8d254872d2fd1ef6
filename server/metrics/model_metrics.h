#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace slotmatch {

// A model in memory at the time of a scrape.
struct ModelSample {
  std::string name, version, digest;
  absl::Duration load_time, warm_up_time;
  int sessions = 0;
  bool retiring = false;  // no new session gets it
};

// The families of models that come and go: a version that has left has no series any more.
std::vector<prometheus::MetricFamily> ModelFamilies(const std::vector<ModelSample>& models);

}  // namespace slotmatch
