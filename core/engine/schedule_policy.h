#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slotmatch/config/schedule.pb.h"

namespace slotmatch {

// A row of the class table.
struct ScheduleClass {
  std::string name;
  double weight = 1;
  absl::Duration frame_deadline = absl::InfiniteDuration();
  absl::Duration target_wait = absl::InfiniteDuration();  // infinite: never counts as overload
  bool degradable = false;
};

struct TenantRule {
  double weight = 1;
  int max_sessions = 0;  // 0: no limit of its own
};

// How many frames a batch takes and how long it waits for them.
struct BatchShape {
  int max_size = 8;
  absl::Duration max_delay = absl::Milliseconds(2);
};

// Who comes when, as configured. Immutable once made.
struct SchedulePolicy {
  std::vector<ScheduleClass> classes = {ScheduleClass()};  // never empty
  size_t default_class = 0;
  std::map<std::string, TenantRule> tenants;
  std::vector<int> allowed_sizes;  // ascending, from 1; empty: every size
  BatchShape normal;
  BatchShape degraded = {8, absl::Milliseconds(2)};
  size_t max_queued_frames = 256;  // over all streams

  // An empty name: the default class. INVALID_ARGUMENT names the classes there are.
  absl::StatusOr<size_t> FindClass(const std::string& name) const;
  const TenantRule& RuleOf(const std::string& tenant) const;
  // The largest allowed size that is neither more than `ready` nor than `most`; both at least 1.
  int BatchSize(int ready, int most) const;
};

// FAILED_PRECONDITION names a setting, its value and what would be right.
absl::StatusOr<SchedulePolicy> MakeSchedulePolicy(const config::BatchingConfig& batching,
                                                  const config::SchedulingConfig& scheduling,
                                                  const config::DegradeConfig& degrade);

}  // namespace slotmatch
