#include "core/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace slotmatch {
namespace {

constexpr int kBarWidth = 24;
constexpr absl::Duration kTerminalPeriod = absl::Milliseconds(200);
constexpr absl::Duration kLinePeriod = absl::Seconds(5);

std::string Bar(double share) {
  const int filled = static_cast<int>(share * kBarWidth);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "]");
}

}  // namespace

Progress::Progress(std::string title, std::string unit, int64_t total, bool enabled)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      enabled_(enabled),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(absl::Now()) {}

Progress::~Progress() { Finish(); }

void Progress::Update(int64_t done, const std::string& note) {
  const absl::Time now = absl::Now();
  if (first_done_ < 0) {
    // Work done before this run (a resumed training) does not count towards the rate.
    first_done_ = std::max<int64_t>(0, done - 1);
  }
  done_ = done;
  if (!note.empty()) note_ = note;
  if (!enabled_ || finished_) return;
  if (now - printed_ < (terminal_ ? kTerminalPeriod : kLinePeriod)) return;
  Print(now, false);
}

void Progress::Finish() {
  if (finished_) return;
  if (enabled_ && done_ > 0) Print(absl::Now(), true);
  finished_ = true;
}

void Progress::Print(absl::Time now, bool last) {
  printed_ = now;
  const double seconds = std::max(1e-3, absl::ToDoubleSeconds(now - start_));
  const double rate = static_cast<double>(done_ - first_done_) / seconds;
  std::string line = title_;
  if (total_ > 0 && terminal_) {
    absl::StrAppend(&line, " ", Bar(std::min(1.0, static_cast<double>(done_) / total_)));
  }
  absl::StrAppend(&line, "  ", done_);
  if (total_ > 0) absl::StrAppend(&line, "/", total_);
  absl::StrAppendFormat(&line, " %s  %.1f %s/s", unit_, rate, unit_);
  if (total_ > done_ && rate > 0) {
    const absl::Duration left = absl::Seconds(static_cast<double>(total_ - done_) / rate);
    absl::StrAppend(&line, "  ETA ", absl::FormatDuration(absl::Floor(left, absl::Seconds(1))));
  }
  if (!note_.empty()) absl::StrAppend(&line, "  ", note_);
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

}  // namespace slotmatch
