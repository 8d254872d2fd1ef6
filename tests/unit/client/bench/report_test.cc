#include "client/bench/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

LoadResult Result() {
  LoadResult result;
  result.stable = true;
  result.windows = 3;
  result.total.length = absl::Seconds(6);
  result.total.results = 60;
  for (int ms = 1; ms <= 60; ++ms) result.total.latency.Add(absl::Milliseconds(ms));
  return result;
}

TEST(LoadReport, CsvAndJsonHaveTheSameColumnsAndValues) {
  LoadOptions options;
  options.sessions = 8;
  const std::vector<std::string> names = absl::StrSplit(LoadCsvHeading(), absl::ByAnyChar(",\n"));
  const std::vector<std::string> values =
      absl::StrSplit(LoadCsvLine(options, Result()), absl::ByAnyChar(",\n"));
  const nlohmann::json json = LoadJson(options, Result());
  ASSERT_EQ(names.size(), values.size());
  ASSERT_EQ(names.size(), json.size() + 1);  // the end of the line
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    EXPECT_NEAR(std::stod(values[i]), json.at(names[i]).get<double>(), 0.01) << names[i];
  }
  EXPECT_EQ(json.at("results_per_second"), 10);
  EXPECT_EQ(json.at("sessions"), 8);
}

TEST(LoadReport, VerdictNamesWhatFailed) {
  EXPECT_THAT(LoadVerdict(Result()), IsOk());
  LoadResult result = Result();
  result.stable = false;
  EXPECT_THAT(LoadVerdict(result), FailsWith(absl::StatusCode::kDeadlineExceeded, "not stable"));
  result.total.errors = 2;
  EXPECT_THAT(LoadVerdict(result), FailsWith(absl::StatusCode::kInternal, "2 frames failed"));
  result.sessions_lost = 1;
  result.first_loss = "gone";
  EXPECT_THAT(LoadVerdict(result), FailsWith(absl::StatusCode::kInternal, "1 sessions were lost"));
}

}  // namespace
}  // namespace slotmatch
