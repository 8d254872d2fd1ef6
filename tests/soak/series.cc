#include "tests/soak/series.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slotmatch {
namespace {

constexpr size_t kMinSamples = 10;

// Least squares: bytes over frames.
double SlopeOf(const std::vector<Sample>& samples) {
  double mean_x = 0, mean_y = 0, xy = 0, xx = 0;
  for (const Sample& s : samples) {
    mean_x += static_cast<double>(s.frames) / samples.size();
    mean_y += static_cast<double>(s.rss_bytes) / samples.size();
  }
  for (const Sample& s : samples) {
    const double x = static_cast<double>(s.frames) - mean_x;
    xy += x * (static_cast<double>(s.rss_bytes) - mean_y);
    xx += x * x;
  }
  return xx > 0 ? xy / xx : 0;
}

// How much more the last fifth has at its least than the first fifth at its most. Counts swing with
// the sessions that are open; only a leak lifts the least above what was ever there.
int64_t GrowthOf(const std::vector<Sample>& samples, int64_t Sample::*field) {
  const size_t fifth = samples.size() / 5;
  int64_t first = samples.front().*field, last = samples.back().*field;
  for (size_t i = 0; i < fifth; ++i) {
    first = std::max(first, samples[i].*field);
    last = std::min(last, samples[samples.size() - 1 - i].*field);
  }
  return last - first;
}

}  // namespace

absl::StatusOr<Sample> SampleProcess(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  std::ifstream status(folder + "/status");
  Sample sample;
  for (std::string word; status >> word;) {
    if (word == "VmRSS:" && status >> sample.rss_bytes) sample.rss_bytes *= 1024;
    if (word == "Threads:") status >> sample.threads;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder + "/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++sample.fds;
  }
  if (sample.rss_bytes == 0)
    return absl::NotFoundError(absl::StrCat("process ", pid, " has ended"));
  return sample;
}

std::string CsvOf(const std::vector<Sample>& samples) {
  std::string csv = "seconds,frames,sessions,rss_bytes,fds,threads\n";
  for (const Sample& s : samples) {
    absl::StrAppendFormat(&csv, "%.2f,%d,%d,%d,%d,%d\n", s.seconds, s.frames, s.sessions,
                          s.rss_bytes, s.fds, s.threads);
  }
  return csv;
}

absl::StatusOr<SoakVerdict> Judge(const std::vector<Sample>& samples, const SoakBounds& bounds) {
  std::vector<Sample> settled;
  for (const Sample& s : samples) {
    if (s.frames * 5 >= samples.back().frames) settled.push_back(s);
  }
  if (settled.size() < kMinSamples) {
    return absl::InvalidArgumentError(absl::StrCat("only ", settled.size(), " samples after the ",
                                                   "warm-up; a verdict takes ", kMinSamples));
  }
  SoakVerdict verdict;
  verdict.rss_bytes_per_frame = SlopeOf(settled);
  verdict.fds = GrowthOf(settled, &Sample::fds);
  verdict.threads = GrowthOf(settled, &Sample::threads);
  struct Row {
    const char* name;
    double value, bound;
  };
  std::string grows;
  for (const Row& row :
       {Row{"memory, bytes per frame", verdict.rss_bytes_per_frame, bounds.rss_bytes_per_frame},
        Row{"file descriptors", double(verdict.fds), double(bounds.fds)},
        Row{"threads", double(verdict.threads), double(bounds.threads)}}) {
    const bool flat = row.value <= row.bound;
    absl::StrAppendFormat(&verdict.text, "%-26s %+10.2f  at most %g  %s\n", row.name, row.value,
                          row.bound, flat ? "flat" : "GROWS");
    if (!flat) absl::StrAppend(&grows, grows.empty() ? "" : ", ", row.name);
  }
  if (!grows.empty()) verdict.status = absl::InternalError("grows: " + grows);
  return verdict;
}

}  // namespace slotmatch
