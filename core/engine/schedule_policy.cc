#include "core/engine/schedule_policy.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

using config::SchedulingClass;

// The table of a server that configures none.
std::vector<SchedulingClass> DefaultClasses() {
  struct Row {
    const char* name;
    int weight, frame_deadline_ms, target_wait_ms;
    bool degradable;
  };
  constexpr Row kRows[] = {
      {"realtime", 8, 1000, 250, false},
      {"standard", 4, 0, 2000, true},
      {"batch", 1, 0, 0, true},
  };
  std::vector<SchedulingClass> classes;
  for (const Row& row : kRows) {
    SchedulingClass& made = classes.emplace_back();
    made.set_name(row.name);
    made.set_weight(row.weight);
    made.set_frame_deadline_ms(row.frame_deadline_ms);
    made.set_target_wait_ms(row.target_wait_ms);
    made.set_degradable(row.degradable);
  }
  return classes;
}

absl::Status OutOfRange(const std::string& setting, int64_t value, int64_t low, int64_t high) {
  return absl::FailedPreconditionError(
      absl::StrCat(setting, " is ", value, "; it must be between ", low, " and ", high));
}

absl::Status CheckWeight(const std::string& owner, int weight) {
  constexpr int kHeaviest = 1000;
  if (weight >= 1 && weight <= kHeaviest) return absl::OkStatus();
  return OutOfRange(owner + ".weight", weight, 1, kHeaviest);
}

absl::Duration OrInfinite(int milliseconds) {
  return milliseconds > 0 ? absl::Milliseconds(milliseconds) : absl::InfiniteDuration();
}

absl::StatusOr<ScheduleClass> MakeClass(const SchedulingClass& config) {
  const std::string owner = absl::StrCat("scheduling.classes '", config.name(), "'");
  if (config.name().empty() || config.name().size() > 32) {
    return absl::FailedPreconditionError(owner + ": a name has 1 to 32 characters");
  }
  SM_RETURN_IF_ERROR(CheckWeight(owner, config.weight()));
  constexpr int kLongest = 3600000;
  if (config.frame_deadline_ms() < 0 || config.frame_deadline_ms() > kLongest) {
    return OutOfRange(owner + ".frame_deadline_ms", config.frame_deadline_ms(), 0, kLongest);
  }
  // A frame that waits longer than its deadline is dropped, so a longer target is never reached.
  const int longest = config.frame_deadline_ms() > 0 ? config.frame_deadline_ms() : kLongest;
  if (config.target_wait_ms() < 0 || config.target_wait_ms() > longest) {
    return OutOfRange(owner + ".target_wait_ms", config.target_wait_ms(), 0, longest);
  }
  return ScheduleClass{config.name(), static_cast<double>(config.weight()),
                       OrInfinite(config.frame_deadline_ms()), OrInfinite(config.target_wait_ms()),
                       config.degradable()};
}

absl::Status ReadClasses(const config::SchedulingConfig& config, SchedulePolicy* policy) {
  std::vector<SchedulingClass> classes(config.classes().begin(), config.classes().end());
  if (classes.empty()) classes = DefaultClasses();
  policy->classes.clear();
  std::set<std::string> names;
  for (const SchedulingClass& one : classes) {
    SM_ASSIGN_OR_RETURN(ScheduleClass made, MakeClass(one));
    if (!names.insert(made.name).second) {
      return absl::FailedPreconditionError(
          absl::StrCat("two scheduling.classes are named '", made.name, "'; names must differ"));
    }
    policy->classes.push_back(std::move(made));
  }
  const absl::StatusOr<size_t> found = policy->FindClass(config.default_class());
  if (config.default_class().empty() || !found.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "scheduling.default_class is '", config.default_class(), "'; it must name a class"));
  }
  policy->default_class = *found;
  return absl::OkStatus();
}

absl::Status ReadTenants(const config::SchedulingConfig& config, SchedulePolicy* policy) {
  for (const config::TenantConfig& tenant : config.tenants()) {
    const std::string owner = absl::StrCat("scheduling.tenants '", tenant.name(), "'");
    SM_RETURN_IF_ERROR(CheckWeight(owner, tenant.weight()));
    constexpr int kMostSessions = 100000;
    if (tenant.max_sessions() < 0 || tenant.max_sessions() > kMostSessions) {
      return OutOfRange(owner + ".max_sessions", tenant.max_sessions(), 0, kMostSessions);
    }
    const TenantRule rule{static_cast<double>(tenant.weight()), tenant.max_sessions()};
    if (!policy->tenants.emplace(tenant.name(), rule).second) {
      return absl::FailedPreconditionError(owner + " is there twice");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadSizes(const config::BatchingConfig& config, SchedulePolicy* policy) {
  std::vector<int>& sizes = policy->allowed_sizes;
  sizes.assign(config.allowed_batch_sizes().begin(), config.allowed_batch_sizes().end());
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  if (sizes.empty() || sizes.front() == 1) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("batching.allowed_batch_sizes begin at ", sizes.front(),
                   "; 1 must be among them, because batches are not padded"));
}

}  // namespace

absl::StatusOr<size_t> SchedulePolicy::FindClass(const std::string& name) const {
  if (name.empty()) return default_class;
  std::string known;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i].name == name) return i;
    absl::StrAppend(&known, known.empty() ? "" : ", ", classes[i].name);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no scheduling class '",
                                                 name.substr(0, 64), "'; this server has ", known));
}

const TenantRule& SchedulePolicy::RuleOf(const std::string& tenant) const {
  static constexpr TenantRule kOther;
  const auto found = tenants.find(tenant);
  return found == tenants.end() ? kOther : found->second;
}

int SchedulePolicy::BatchSize(int ready, int most) const {
  const int room = std::min(ready, most);
  if (allowed_sizes.empty()) return room;
  return *std::prev(std::upper_bound(allowed_sizes.begin(), allowed_sizes.end(), room));
}

absl::StatusOr<SchedulePolicy> MakeSchedulePolicy(const config::BatchingConfig& batching,
                                                  const config::SchedulingConfig& scheduling,
                                                  const config::DegradeConfig& degrade) {
  SchedulePolicy policy;
  SM_RETURN_IF_ERROR(ReadClasses(scheduling, &policy));
  SM_RETURN_IF_ERROR(ReadTenants(scheduling, &policy));
  SM_RETURN_IF_ERROR(ReadSizes(batching, &policy));
  policy.normal = {batching.max_batch_size(), absl::Microseconds(batching.max_delay_us())};
  policy.degraded = {std::max(batching.max_batch_size(), degrade.max_batch_size()),
                     absl::Microseconds(std::max(batching.max_delay_us(), degrade.max_delay_us()))};
  policy.max_queued_frames = batching.max_queued_frames();
  return policy;
}

}  // namespace slotmatch
