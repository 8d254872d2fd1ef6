#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace slotmatch {

struct ChartLine {
  std::string label;
  int color = 0;  // lines of one colour share a legend entry
  std::vector<std::pair<int64_t, double>>
      points;  // step ascending; values that are not finite cut the line
};

// A line chart as an <svg> element: axes with round ticks, steps to the right, one <polyline> a
// line with its label as a tooltip. Long lines are thinned to their lowest and highest value per
// pixel. Never empty: without points it says so.
std::string LineChartSvg(const std::string& title, const std::vector<ChartLine>& lines);

// CSS colour of a group.
std::string ChartColor(int color);

// `text` with what HTML would read as markup replaced.
std::string EscapeHtml(const std::string& text);

}  // namespace slotmatch
