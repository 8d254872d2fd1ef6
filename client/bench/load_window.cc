#include "client/bench/load_window.h"

#include <cmath>

namespace slotmatch {
namespace {

bool Agree(const std::vector<double>& values, double tolerance) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) {
    if (std::abs(value - mean) > tolerance * mean) return false;
  }
  return true;
}

}  // namespace

double LoadWindow::results_per_second() const {
  const double seconds = absl::ToDoubleSeconds(length);
  return seconds > 0 ? static_cast<double>(results) / seconds : 0;
}

void LoadWindow::Merge(const LoadWindow& other) {
  length += other.length;
  latency.Merge(other.latency);
  added.Merge(other.added);
  results += other.results;
  errors += other.errors;
  dropped += other.dropped;
  unsent += other.unsent;
}

bool Stable(const std::vector<LoadWindow>& windows, size_t count, double quantile,
            double tolerance) {
  if (count == 0 || windows.size() < count) return false;
  std::vector<double> rates, latencies;
  for (size_t i = windows.size() - count; i < windows.size(); ++i) {
    if (windows[i].results == 0) return false;
    rates.push_back(windows[i].results_per_second());
    latencies.push_back(absl::ToDoubleSeconds(windows[i].latency.Quantile(quantile)));
  }
  return Agree(rates, tolerance) && Agree(latencies, tolerance);
}

}  // namespace slotmatch
