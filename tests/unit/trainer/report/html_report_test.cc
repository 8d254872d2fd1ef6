#include "trainer/report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

RunRecord MakeRun(const std::string& name, int64_t seed, double score) {
  RunRecord run;
  run.folder = "runs/" + name;
  run.config.set_name(name);
  run.config.mutable_loop()->set_seed(seed);
  run.series["loss"] = {{10, 1.0}, {20, 0.5}};
  run.scores["davis"] = {{"image_mbo", score}, {"image_fg_ari", nullptr}};
  return run;
}

TEST(HtmlReport, TableHasMeanAndDeviationOverSeeds) {
  const std::string page = HtmlReport(
      {MakeRun("slotmatch", 42, 0.50), MakeRun("slotmatch", 101, 0.52), MakeRun("other", 42, 0.4)},
      {});
  EXPECT_THAT(page, HasSubstr("<td>slotmatch</td><td>42, 101</td>"));
  EXPECT_THAT(page, HasSubstr("51.0 ± 1.4"));
  EXPECT_THAT(page, HasSubstr("<td>40.0</td>"));
  EXPECT_THAT(page, HasSubstr("<td>–</td>"));  // no item counted
}

TEST(HtmlReport, SaysHowManyRunsAreBehindAScore) {
  std::vector<RunRecord> runs = {MakeRun("slotmatch", 42, 0.50), MakeRun("slotmatch", 101, 0.52)};
  runs[1].scores.clear();
  EXPECT_THAT(HtmlReport(runs, {}), HasSubstr("50.0 (n=1)"));
  runs[0].scores.clear();
  EXPECT_THAT(HtmlReport(runs, {}), HasSubstr("No scores yet"));
}

TEST(HtmlReport, NeedsNothingFromElsewhere) {
  const std::string page =
      HtmlReport({MakeRun("a<script>", 1, 0.1)}, {{"clip", {"source"}, "png"}});
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,cG5n\""));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

}  // namespace
}  // namespace slotmatch
