#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/engine/batch_scheduler.h"

namespace slotmatch {

// Metrics of admission and scheduling. Thread-safe once SetClasses() has been called.
class ScheduleMetrics {
 public:
  // The registry outlives it.
  explicit ScheduleMetrics(prometheus::Registry* registry);

  // Names of the scheduling classes, in their order. Called once.
  void SetClasses(const std::vector<ScheduleClass>& classes);

  // sessions, tenant, memory, queue, overload or draining.
  void SessionRefused(const std::string& reason);
  void Waited(size_t schedule_class, absl::Duration wait);
  void LoadChanged(const Load& load);

 private:
  prometheus::Registry* const registry_;
  std::map<std::string, prometheus::Counter*> refused_;
  std::vector<prometheus::Counter*> entered_;  // by LoadLevel
  std::vector<prometheus::Histogram*> waits_;  // by class
};

}  // namespace slotmatch
