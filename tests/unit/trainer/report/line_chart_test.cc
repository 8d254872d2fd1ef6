#include "trainer/report/line_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(LineChartSvg, DrawsEachLineInItsColour) {
  const std::string svg =
      LineChartSvg("loss", {{"a", 0, {{0, 1.0}, {10, 0.5}}}, {"b <1>", 1, {{0, 2.0}, {10, 1.0}}}});
  EXPECT_EQ(Count(svg, "<polyline"), 2);
  EXPECT_THAT(svg, HasSubstr(ChartColor(0)));
  EXPECT_THAT(svg, HasSubstr(ChartColor(1)));
  EXPECT_THAT(svg, HasSubstr("b &lt;1&gt;"));
  EXPECT_THAT(svg, HasSubstr(">0.5<"));  // a tick
}

TEST(LineChartSvg, NotANumberCutsTheLine) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg =
      LineChartSvg("loss", {{"a", 0, {{0, 1.0}, {1, 0.5}, {2, kNan}, {3, 0.5}, {4, 0.4}}}});
  EXPECT_EQ(Count(svg, "<polyline"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(LineChartSvg, OneValueAndNoneAreChartsToo) {
  EXPECT_EQ(Count(LineChartSvg("loss", {{"a", 0, {{5, 1.0}}}}), "<polyline"), 1);
  EXPECT_THAT(LineChartSvg("loss", {}), HasSubstr("no finite values"));
}

TEST(LineChartSvg, LongLinesAreThinned) {
  ChartLine line{"a", 0, {}};
  for (int i = 0; i < 100000; ++i) line.points.push_back({i, i % 2});
  EXPECT_LT(LineChartSvg("loss", {line}).size(), 20000u);
}

}  // namespace
}  // namespace slotmatch
