#include "client/bench/run.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

class RunBenchTest : public ServerFixture {
 protected:
  // The program with these arguments, against the test's server unless they name one.
  absl::Status Run(std::vector<std::string> arguments) {
    std::vector<std::string> all = {
        "slotmatch_bench", "--warm-up", "0", "--window", "0.2", "--stability", "1e9",
        "--max-windows",   "3"};
    if (app_ != nullptr) {
      all.insert(all.end(), {"--server", absl::StrCat("127.0.0.1:", app_->grpc_port())});
    }
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : all) argv.push_back(word.data());
    return RunBench(static_cast<int>(argv.size()), argv.data());
  }
  const TempDir dir_;
};

TEST_F(RunBenchTest, EveryNumberOfSessionsIsMeasuredWithEveryRate) {
  StartApp();
  const std::string csv = dir_.File("bench.csv"), json = dir_.File("bench.json");
  ASSERT_THAT(Run({"--sessions", "1,2", "--fps", "0,50", "--csv", csv, "--json", json}), IsOk());
  const std::vector<std::string> lines =
      absl::StrSplit(ReadFile(csv).value(), '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 5u);
  const nlohmann::json levels = nlohmann::json::parse(ReadFile(json).value());
  ASSERT_EQ(levels.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(levels[i].at("sessions").get<int>(), i / 2 + 1);
    EXPECT_EQ(levels[i].at("fps_per_session").get<int>(), i % 2 * 50);
    EXPECT_GT(levels[i].at("results").get<int>(), 0);
    EXPECT_GT(levels[i].at("p99_ms").get<double>(), 0);
    EXPECT_EQ(levels[i].at("errors").get<int>(), 0);
  }
}

TEST_F(RunBenchTest, LoadIsOfTheSchedulingClassAskedFor) {
  StartApp();
  ASSERT_THAT(Run({"--class", "realtime"}), IsOk());
  EXPECT_GT(Metric("slotmatch_queue_wait_seconds_count{class=\"realtime\"}"), 0);
  EXPECT_THAT(Run({"--class", "express"}),
              FailsWith(absl::StatusCode::kInvalidArgument, "express"));
}

TEST_F(RunBenchTest, LatencyOverTheBoundIsSaidWithTheFiguresWritten) {
  StartApp();
  const std::string json = dir_.File("bench.json");
  EXPECT_THAT(Run({"--max-p99", "0.0001", "--json", json}),
              FailsWith(absl::StatusCode::kDeadlineExceeded, "over --max-p99"));
  EXPECT_EQ(nlohmann::json::parse(ReadFile(json).value()).size(), 1u);
}

TEST_F(RunBenchTest, LevelThatCannotBeOpenedDoesNotKeepTheOthersFromBeingMeasured) {
  config_.mutable_limits()->set_max_sessions(1);
  StartApp();
  const std::string json = dir_.File("bench.json");
  EXPECT_THAT(Run({"--sessions", "2,1", "--json", json}),
              FailsWith(absl::StatusCode::kResourceExhausted, "session"));
  EXPECT_EQ(nlohmann::json::parse(ReadFile(json).value()).size(), 1u);
}

TEST_F(RunBenchTest, WrongArgumentsAreNamed) {
  struct Row {
    std::vector<std::string> arguments;
    absl::StatusCode code;
    const char* fragment;
  };
  for (const Row& row :
       {Row{{"--fps", "fast"}, absl::StatusCode::kInvalidArgument, "--fps"},
        Row{{"--sessions", "0"}, absl::StatusCode::kInvalidArgument, "--sessions"},
        Row{{"--distribution", "bell"}, absl::StatusCode::kInvalidArgument, "--distribution"},
        Row{{"--policy", "some"}, absl::StatusCode::kInvalidArgument, "--policy"},
        Row{{"--window", "0"}, absl::StatusCode::kInvalidArgument, "--window"},
        Row{{"--in-flight", "0"}, absl::StatusCode::kInvalidArgument, "--in-flight"},
        Row{{"--percentile", "101"}, absl::StatusCode::kInvalidArgument, "--percentile"},
        Row{{"stray"}, absl::StatusCode::kInvalidArgument, "stray"},
        Row{{"--video", "no_such.mp4"}, absl::StatusCode::kNotFound, "no_such.mp4"},
        Row{{"--server", "127.0.0.1:1", "--connect-timeout", "0.2"},
            absl::StatusCode::kUnavailable,
            "no server"}}) {
    EXPECT_THAT(Run(row.arguments), FailsWith(row.code, row.fragment));
  }
  StartApp();
  EXPECT_THAT(Run({"--model", "nobody"}), FailsWith(absl::StatusCode::kNotFound, "nobody"));
}

}  // namespace
}  // namespace slotmatch
