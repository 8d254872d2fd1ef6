#include "trainer/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace slotmatch {
namespace {

constexpr double kWidth = 520, kHeight = 260;
constexpr double kLeft = 62, kRight = 12, kTop = 30, kBottom = 34;
constexpr int kTicks = 5;
// Okabe and Ito: told apart by colour-blind readers too.
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#e69f00", "#56b4e9", "#000000", "#b8a800"};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// A step of 1, 2 or 5 times a power of ten that makes about kTicks of the range.
double TickStep(const Range& range) {
  const double raw = (range.high - range.low) / kTicks;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

class Plot {
 public:
  Plot(Range x, Range y) : x_(Widened(x)), y_(Widened(y)) {}

  double X(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double Y(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }
  std::string Axes() const {
    std::string svg;
    for (double tick = FirstTick(y_); tick <= y_.high; tick += TickStep(y_)) {
      absl::StrAppendFormat(&svg,
                            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
                            kLeft, kWidth - kRight, Y(tick), Y(tick), kLeft - 6, Y(tick) + 4,
                            std::abs(tick) < TickStep(y_) / 1e6 ? 0 : tick);
    }
    for (double tick = FirstTick(x_); tick <= x_.high; tick += TickStep(x_)) {
      absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>",
                            X(tick), kHeight - kBottom + 18, tick);
    }
    return svg;
  }

 private:
  static Range Widened(Range range) {
    if (range.high - range.low > 1e-12 * std::max(1.0, std::abs(range.high))) return range;
    const double margin = std::max(1e-3, std::abs(range.high) / 10);
    return {range.low - margin, range.high + margin};
  }
  static double FirstTick(const Range& range) {
    return std::ceil(range.low / TickStep(range)) * TickStep(range);
  }
  Range x_, y_;
};

using Points = std::vector<std::pair<double, double>>;

// Of the points that share a pixel column, the lowest and the highest stay.
Points Thinned(const Points& points) {
  Points thin;
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin;
    while (end < points.size() &&
           std::floor(points[end].first) == std::floor(points[begin].first)) {
      ++end;
    }
    const auto [low, high] =
        std::minmax_element(points.begin() + begin, points.begin() + end,
                            [](const auto& a, const auto& b) { return a.second < b.second; });
    thin.push_back(*std::min(low, high));
    if (low != high) thin.push_back(*std::max(low, high));
    begin = end;
  }
  return thin;
}

std::string Polyline(const ChartLine& line, const Points& points) {
  std::string text;
  for (const auto& [x, y] : Thinned(points)) absl::StrAppendFormat(&text, "%.1f,%.1f ", x, y);
  return absl::StrFormat("<polyline stroke=\"%s\" points=\"%s\"><title>%s</title></polyline>",
                         ChartColor(line.color), text, EscapeHtml(line.label));
}

std::string Drawn(const ChartLine& line, const Plot& plot) {
  std::string svg;
  Points points;
  for (const auto& [step, value] : line.points) {
    if (std::isfinite(value)) {
      points.push_back({plot.X(static_cast<double>(step)), plot.Y(value)});
    } else if (!points.empty()) {
      absl::StrAppend(&svg, Polyline(line, points));
      points.clear();
    }
  }
  return points.empty() ? svg : absl::StrCat(svg, Polyline(line, points));
}

}  // namespace

std::string ChartColor(int color) { return kColors[color % std::size(kColors)]; }

std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string LineChartSvg(const std::string& title, const std::vector<ChartLine>& lines) {
  Range x, y;
  for (const ChartLine& line : lines) {
    for (const auto& [step, value] : line.points) {
      if (!std::isfinite(value)) continue;
      x.Add(static_cast<double>(step));
      y.Add(value);
    }
  }
  std::string svg = absl::StrFormat(
      "<svg class=\"chart\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">"
      "<text class=\"title\" x=\"%g\" y=\"18\">%s</text>",
      kWidth, kHeight, EscapeHtml(title), kLeft, EscapeHtml(title));
  if (x.empty()) {
    absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%g\">no finite values</text>", kLeft,
                          kHeight / 2);
  } else {
    const Plot plot(x, y);
    absl::StrAppend(&svg, plot.Axes());
    for (const ChartLine& line : lines) absl::StrAppend(&svg, Drawn(line, plot));
  }
  return absl::StrCat(svg, "</svg>");
}

}  // namespace slotmatch
