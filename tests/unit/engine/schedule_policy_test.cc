#include "core/engine/schedule_policy.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

absl::StatusOr<SchedulePolicy> Make(const std::string& scheduling,
                                    const std::string& batching = "") {
  config::SchedulingConfig scheduling_config;
  config::BatchingConfig batching_config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(scheduling, &scheduling_config));
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(batching, &batching_config));
  return MakeSchedulePolicy(batching_config, scheduling_config, {});
}

TEST(SchedulePolicy, DefaultTableIsTheOneOfTheSchema) {
  const auto policy = Make("");
  ASSERT_THAT(policy, IsOk());
  ASSERT_EQ(policy->classes.size(), 3u);
  EXPECT_EQ(policy->classes[0].name, "realtime");
  EXPECT_EQ(policy->classes[0].frame_deadline, absl::Seconds(1));
  EXPECT_FALSE(policy->classes[0].degradable);
  EXPECT_EQ(policy->classes[policy->default_class].name, "standard");
  EXPECT_EQ(policy->classes[1].frame_deadline, absl::InfiniteDuration());
  EXPECT_EQ(policy->classes[1].target_wait, absl::Seconds(2));
  EXPECT_EQ(policy->classes[2].target_wait, absl::InfiniteDuration());
  EXPECT_EQ(policy->normal.max_size, 8);
  EXPECT_EQ(policy->degraded.max_size, 16);
  EXPECT_EQ(policy->degraded.max_delay, absl::Milliseconds(20));
}

TEST(SchedulePolicy, ClassesAreFoundByName) {
  const auto policy = Make(R"(classes { name: "a" } classes { name: "b" } default_class: "b")");
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(*policy->FindClass(""), 1u);
  EXPECT_EQ(*policy->FindClass("a"), 0u);
  EXPECT_THAT(policy->FindClass("c"), FailsWith(StatusCode::kInvalidArgument, "a, b"));
}

TEST(SchedulePolicy, TenantsNotNamedWeighOne) {
  const auto policy = Make(R"(tenants { name: "lab" weight: 3 max_sessions: 2 })");
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(policy->RuleOf("lab").weight, 3);
  EXPECT_EQ(policy->RuleOf("lab").max_sessions, 2);
  EXPECT_EQ(policy->RuleOf("other").weight, 1);
  EXPECT_EQ(policy->RuleOf("other").max_sessions, 0);
}

TEST(SchedulePolicy, BatchesAreTheLargestAllowedSizeThatIsReady) {
  const auto policy = Make("", "allowed_batch_sizes: [8, 1, 4, 2]");
  ASSERT_THAT(policy, IsOk());
  const int expected[] = {1, 2, 2, 4, 4, 4, 4, 8, 8};
  for (int ready = 1; ready <= 9; ++ready) {
    EXPECT_EQ(policy->BatchSize(ready, 16), expected[ready - 1]) << ready;
  }
  EXPECT_EQ(policy->BatchSize(9, 6), 4);
  EXPECT_EQ(Make("")->BatchSize(7, 16), 7);
}

TEST(SchedulePolicy, WrongSettingsAreNamed) {
  const struct {
    const char* scheduling;
    const char* batching;
    const char* message;
  } rows[] = {
      {"classes { name: '' }", "", "a name has 1 to 32 characters"},
      {"classes { name: 'a' weight: 0 }", "", "'a'.weight is 0"},
      {"classes { name: 'a' } classes { name: 'a' }", "", "two scheduling.classes are named 'a'"},
      {"classes { name: 'a' frame_deadline_ms: -1 }", "", "'a'.frame_deadline_ms is -1"},
      {"classes { name: 'a' frame_deadline_ms: 10 target_wait_ms: 11 }", "",
       "target_wait_ms is 11; it must be between 0 and 10"},
      {"classes { name: 'a' }", "", "default_class is 'standard'"},
      {"default_class: ''", "", "default_class is ''"},
      {"tenants { name: 't' weight: 1001 }", "", "'t'.weight is 1001"},
      {"tenants { name: 't' max_sessions: -1 }", "", "'t'.max_sessions is -1"},
      {"tenants { name: 't' } tenants { name: 't' }", "", "'t' is there twice"},
      {"", "allowed_batch_sizes: [2, 4]", "1 must be among them"},
      {"", "allowed_batch_sizes: [0, 1]", "begin at 0"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(Make(row.scheduling, row.batching).status(),
                FailsWith(StatusCode::kFailedPrecondition, row.message))
        << row.scheduling << row.batching;
  }
}

}  // namespace
}  // namespace slotmatch
