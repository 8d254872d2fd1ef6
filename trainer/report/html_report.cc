#include "trainer/report/html_report.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/config/config.h"
#include "trainer/report/line_chart.h"

namespace slotmatch {
namespace {

using Groups = std::vector<std::vector<const RunRecord*>>;

constexpr char kStyle[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1120px;padding:0 1em;"
    "color:#1b1b1b;background:#fff}"
    "h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}"
    ".scroll{overflow-x:auto}.charts{display:flex;flex-wrap:wrap;gap:12px}"
    ".chart{width:520px;max-width:100%}.chart text{font:11px system-ui,sans-serif;fill:#444}"
    ".chart .title{font-size:13px;font-weight:600}.chart .grid{stroke:#e3e3e3}"
    ".chart polyline{fill:none;stroke-width:1.4}"
    ".key{display:inline-block;width:1em;height:.3em;margin:0 .4em .2em 1em}"
    "figure{margin:1em 0}figure img{max-width:100%}pre{background:#f6f6f6;padding:1em;"
    "overflow-x:auto;font-size:12px}";

// The columns of a scored set: the paper's two metrics, per picture and per video.
struct Column {
  const char* metric;  // row of trainer/eval/metric_table
  const char* title;
};
constexpr Column kColumns[] = {{"image_fg_ari", "FG-ARI image"},
                               {"video_fg_ari", "FG-ARI video"},
                               {"image_mbo", "mBO image"},
                               {"video_mbo", "mBO video"}};

// Name of the recipe, with the folder where another group has the same.
std::string GroupName(const Groups& groups, size_t index) {
  const RunRecord& run = *groups[index][0];
  const auto same = std::count_if(groups.begin(), groups.end(), [&run](const auto& group) {
    return group[0]->config.name() == run.config.name();
  });
  return EscapeHtml(same == 1 ? run.config.name()
                              : absl::StrCat(run.config.name(), " (", run.folder, ")"));
}

std::string Seeds(const std::vector<const RunRecord*>& group) {
  std::vector<std::string> seeds;
  for (const RunRecord* run : group) seeds.push_back(absl::StrCat(run->config.loop().seed()));
  return absl::StrJoin(seeds, ", ");
}

// "62.3 ± 0.4", in percent; the number of runs behind it where it is not all of them.
std::string ScoreCell(const std::vector<const RunRecord*>& group, const std::string& set,
                      const char* metric) {
  std::vector<double> values;
  for (const RunRecord* run : group) {
    const auto scores = run->scores.find(set);
    if (scores == run->scores.end() || !scores->second.contains(metric)) continue;
    if (const auto& value = scores->second[metric]; value.is_number()) {
      values.push_back(100 * value.get<double>());
    }
  }
  if (values.empty()) return "–";
  const Spread spread = SpreadOf(values);
  std::string text = absl::StrFormat("%.1f", spread.mean);
  if (values.size() > 1) absl::StrAppendFormat(&text, " ± %.1f", spread.deviation);
  if (values.size() < group.size()) absl::StrAppendFormat(&text, " (n=%d)", values.size());
  return text;
}

std::string ScoreTableHtml(const std::vector<RunRecord>& runs, const Groups& groups) {
  std::set<std::string> sets;
  for (const RunRecord& run : runs) {
    for (const auto& [set, scores] : run.scores) sets.insert(set);
  }
  if (sets.empty()) {
    return "<p>No scores yet: <code>slotmatch_trainer evaluate --json RUN/scores/SET.json</code> "
           "adds a set.</p>";
  }
  std::string head = "<tr><th></th><th></th>", names = "<tr><th>recipe</th><th>seeds</th>", body;
  for (const std::string& set : sets) {
    absl::StrAppendFormat(&head, "<th colspan=\"%d\">%s</th>", std::size(kColumns),
                          EscapeHtml(set));
    for (const Column& column : kColumns) absl::StrAppend(&names, "<th>", column.title, "</th>");
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto& group = groups[g];
    absl::StrAppend(&body, "<tr><td>", GroupName(groups, g), "</td><td>", Seeds(group), "</td>");
    for (const std::string& set : sets) {
      for (const Column& column : kColumns) {
        absl::StrAppend(&body, "<td>", ScoreCell(group, set, column.metric), "</td>");
      }
    }
    absl::StrAppend(&body, "</tr>");
  }
  return absl::StrCat("<p>Percent; mean ± standard deviation over seeds (n - 1).</p>",
                      "<div class=\"scroll\"><table>", head, "</tr>", names, "</tr>", body,
                      "</table></div>");
}

std::string RunTable(const std::vector<RunRecord>& runs) {
  std::string text =
      "<div class=\"scroll\"><table><tr><th>run</th><th>recipe</th><th>seed</th><th>steps</th>"
      "<th>loss</th><th>steps/s</th><th>model</th></tr>";
  const auto last = [](const RunRecord& run, const char* name) -> std::string {
    const auto series = run.series.find(name);
    if (series == run.series.end()) return "–";
    return absl::StrFormat("%.4g", series->second.back().second);
  };
  for (const RunRecord& run : runs) {
    absl::StrAppend(&text, "<tr><td>", EscapeHtml(run.folder), "</td><td>",
                    EscapeHtml(run.config.name()), "</td><td>", run.config.loop().seed(),
                    "</td><td>", run.steps(), " of ", run.config.loop().max_steps(), "</td><td>",
                    last(run, "loss"), "</td><td>", last(run, "steps_per_s"), "</td><td>",
                    run.model.empty() ? "not yet" : EscapeHtml(run.model), "</td></tr>");
  }
  return absl::StrCat(text, "</table></div>");
}

std::string Charts(const Groups& groups) {
  std::set<std::string> names;
  std::string legend, charts;
  for (size_t g = 0; g < groups.size(); ++g) {
    absl::StrAppend(&legend,
                    "<span class=\"key\" style=\"background:", ChartColor(static_cast<int>(g)),
                    "\"></span>", GroupName(groups, g));
    for (const RunRecord* run : groups[g]) {
      for (const auto& [name, points] : run->series) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    std::vector<ChartLine> lines;
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const RunRecord* run : groups[g]) {
        const auto series = run->series.find(name);
        if (series == run->series.end()) continue;
        lines.push_back({absl::StrCat(run->folder, ", seed ", run->config.loop().seed()),
                         static_cast<int>(g), series->second});
      }
    }
    absl::StrAppend(&charts, LineChartSvg(name, lines));
  }
  return absl::StrCat("<p>", legend, "</p><div class=\"charts\">", charts, "</div>");
}

std::string Pictures(const std::vector<ReportPicture>& pictures) {
  std::string text;
  for (const ReportPicture& picture : pictures) {
    absl::StrAppend(&text, "<figure><figcaption><b>", EscapeHtml(picture.title),
                    "</b>, rows from above: ", EscapeHtml(absl::StrJoin(picture.rows, ", ")),
                    "</figcaption><img alt=\"", EscapeHtml(picture.title),
                    "\" src=\"data:image/png;base64,", absl::Base64Escape(picture.png),
                    "\"></figure>");
  }
  return text;
}

std::string Settings(const Groups& groups) {
  std::string text;
  for (const auto& group : groups) {
    absl::StrAppend(&text, "<details><summary>", EscapeHtml(group[0]->config.name()), " (",
                    EscapeHtml(group[0]->folder), ")</summary><pre>",
                    EscapeHtml(ConfigText(group[0]->config)), "</pre></details>");
  }
  return text;
}

}  // namespace

std::string HtmlReport(const std::vector<RunRecord>& runs,
                       const std::vector<ReportPicture>& pictures) {
  const Groups groups = GroupBySeed(runs);
  std::string page = absl::StrCat(
      "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Training "
      "report</title>"
      "<meta name=\"viewport\" content=\"width=device-width\"><style>",
      kStyle, "</style></head><body><h1>Training report</h1><h2>Scores</h2>",
      ScoreTableHtml(runs, groups), "<h2>Runs</h2>", RunTable(runs), "<h2>Curves</h2>",
      Charts(groups));
  if (!pictures.empty()) absl::StrAppend(&page, "<h2>Masks</h2>", Pictures(pictures));
  return absl::StrCat(page, "<h2>Settings</h2>", Settings(groups), "</body></html>\n");
}

}  // namespace slotmatch
