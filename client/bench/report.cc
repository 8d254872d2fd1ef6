#include "client/bench/report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace slotmatch {
namespace {

double Ms(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

struct Column {
  const char* name;  // of JSON and CSV
  double (*value)(const LoadOptions&, const LoadResult&);
};

constexpr Column kColumns[] = {
    {"sessions", [](const LoadOptions& o, const LoadResult&) { return double(o.sessions); }},
    {"fps_per_session", [](const LoadOptions& o, const LoadResult&) { return o.fps; }},
    {"results_per_second",
     [](const LoadOptions&, const LoadResult& r) { return r.total.results_per_second(); }},
    {"results", [](const LoadOptions&, const LoadResult& r) { return double(r.total.results); }},
    {"errors", [](const LoadOptions&, const LoadResult& r) { return double(r.total.errors); }},
    {"dropped", [](const LoadOptions&, const LoadResult& r) { return double(r.total.dropped); }},
    {"unsent", [](const LoadOptions&, const LoadResult& r) { return double(r.total.unsent); }},
    {"sessions_lost",
     [](const LoadOptions&, const LoadResult& r) { return double(r.sessions_lost); }},
    {"mean_ms", [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.mean()); }},
    {"p50_ms",
     [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.Quantile(0.5)); }},
    {"p90_ms",
     [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.Quantile(0.9)); }},
    {"p99_ms",
     [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.Quantile(0.99)); }},
    {"p999_ms",
     [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.Quantile(0.999)); }},
    {"max_ms", [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.latency.max()); }},
    {"added_p99_ms",
     [](const LoadOptions&, const LoadResult& r) { return Ms(r.total.added.Quantile(0.99)); }},
    {"windows", [](const LoadOptions&, const LoadResult& r) { return double(r.windows); }},
    {"stable", [](const LoadOptions&, const LoadResult& r) { return r.stable ? 1.0 : 0.0; }},
};

}  // namespace

std::string LoadHeading() {
  return absl::StrFormat("%8s %7s %10s %8s %8s %8s %8s %8s %8s %7s  %s\n", "sessions", "fps",
                         "results/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "dropped",
                         "failed", "");
}

std::string LoadLine(const LoadOptions& options, const LoadResult& result) {
  const DurationHistogram& latency = result.total.latency;
  return absl::StrFormat(
      "%8d %7s %10.2f %8.1f %8.1f %8.1f %8.1f %8.1f %8d %7d  %s\n", options.sessions,
      options.fps > 0 ? absl::StrCat(options.fps) : std::string("closed"),
      result.total.results_per_second(), Ms(latency.Quantile(0.5)), Ms(latency.Quantile(0.9)),
      Ms(latency.Quantile(0.99)), Ms(latency.Quantile(0.999)), Ms(latency.max()),
      result.total.dropped + result.total.unsent, result.total.errors + result.sessions_lost,
      result.stable ? "stable" : "not stable");
}

std::string LoadCsvHeading() {
  return absl::StrCat(
      absl::StrJoin(kColumns, ",",
                    [](std::string* out, const Column& column) { *out += column.name; }),
      "\n");
}

std::string LoadCsvLine(const LoadOptions& options, const LoadResult& result) {
  return absl::StrCat(absl::StrJoin(kColumns, ",",
                                    [&](std::string* out, const Column& column) {
                                      absl::StrAppend(out, column.value(options, result));
                                    }),
                      "\n");
}

nlohmann::json LoadJson(const LoadOptions& options, const LoadResult& result) {
  nlohmann::json json;
  for (const Column& column : kColumns) json[column.name] = column.value(options, result);
  if (!result.first_loss.empty()) json["first_loss"] = result.first_loss;
  return json;
}

absl::Status LoadVerdict(const LoadResult& result) {
  if (result.sessions_lost > 0) {
    return absl::InternalError(
        absl::StrCat(result.sessions_lost, " sessions were lost: ", result.first_loss));
  }
  if (result.total.errors > 0) {
    return absl::InternalError(absl::StrCat(result.total.errors, " frames failed"));
  }
  if (!result.stable) {
    return absl::DeadlineExceededError(
        absl::StrCat("not stable after ", result.windows,
                     " windows: the load is too high, the windows too short or the machine busy"));
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
