#include "server/metrics/schedule_metrics.h"

namespace slotmatch {
namespace {

constexpr const char* kRefusals[] = {"sessions", "tenant",   "memory",
                                     "queue",    "overload", "draining"};
constexpr const char* kLevels[kNumLoadLevels] = {"normal", "larger_batches", "bridged_frames",
                                                 "no_new_sessions"};

}  // namespace

ScheduleMetrics::ScheduleMetrics(prometheus::Registry* registry) : registry_(registry) {
  auto& refused = prometheus::BuildCounter()
                      .Name("slotmatch_sessions_refused_total")
                      .Help("Sessions not admitted, by reason.")
                      .Register(*registry);
  for (const char* reason : kRefusals) refused_[reason] = &refused.Add({{"reason", reason}});
  auto& entered = prometheus::BuildCounter()
                      .Name("slotmatch_load_level_changes_total")
                      .Help("Moves of the degrade ladder, by the level it came to.")
                      .Register(*registry);
  for (const char* level : kLevels) entered_.push_back(&entered.Add({{"level", level}}));
}

void ScheduleMetrics::SetClasses(const std::vector<ScheduleClass>& classes) {
  auto& family = prometheus::BuildHistogram()
                     .Name("slotmatch_queue_wait_seconds")
                     .Help("Time of computed frames in the model's queue, by scheduling class.")
                     .Register(*registry_);
  for (const ScheduleClass& one : classes) {
    waits_.push_back(&family.Add({{"class", one.name}},
                                 prometheus::Histogram::BucketBoundaries{
                                     0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}));
  }
}

void ScheduleMetrics::SessionRefused(const std::string& reason) {
  refused_.at(reason)->Increment();
}

void ScheduleMetrics::Waited(size_t schedule_class, absl::Duration wait) {
  waits_.at(schedule_class)->Observe(absl::ToDoubleSeconds(wait));
}

void ScheduleMetrics::LoadChanged(const Load& load) {
  entered_[static_cast<size_t>(load.level)]->Increment();
}

}  // namespace slotmatch
