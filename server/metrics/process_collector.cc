#include "server/metrics/process_collector.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace slotmatch {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily FamilyOf(const std::string& name, const std::string& help, MetricType type,
                      double value) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(metric);
  return family;
}

double OpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = -3;  // ".", ".." and the folder's own descriptor
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Fields of /proc/self/stat after the process name, which may hold spaces.
std::vector<double> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::istringstream rest(text.substr(end_of_name + 4));  // after ") S "
  std::vector<double> fields;
  double value = 0;
  while (rest >> value) fields.push_back(value);
  return fields;
}

double BootTime() {
  std::ifstream file("/proc/stat");
  std::string key;
  while (file >> key) {
    if (key == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
    std::getline(file, key);
  }
  return 0;
}

std::vector<MetricFamily> ProcessFamilies() {
  // Positions in StatFields(): field n of proc(5) is index n - 4.
  constexpr size_t kUserTicks = 10, kSystemTicks = 11, kThreads = 16, kStart = 18, kVirtual = 19,
                   kResidentPages = 20;
  const std::vector<double> stat = StatFields();
  if (stat.size() <= kResidentPages) return {};
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return {
      FamilyOf("process_cpu_seconds_total", "User and system CPU time.", MetricType::Counter,
               (stat[kUserTicks] + stat[kSystemTicks]) / ticks),
      FamilyOf("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
               stat[kResidentPages] * static_cast<double>(sysconf(_SC_PAGESIZE))),
      FamilyOf("process_virtual_memory_bytes", "Virtual memory.", MetricType::Gauge,
               stat[kVirtual]),
      FamilyOf("process_open_fds", "Open file descriptors.", MetricType::Gauge, OpenFiles()),
      FamilyOf("process_max_fds", "Limit of open file descriptors.", MetricType::Gauge,
               static_cast<double>(files.rlim_cur)),
      FamilyOf("process_threads", "Threads.", MetricType::Gauge, stat[kThreads]),
      FamilyOf("process_start_time_seconds", "Start time, seconds since the epoch.",
               MetricType::Gauge, BootTime() + stat[kStart] / ticks),
  };
}

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void ScrapeCollector::AddGauge(const std::string& name, const std::string& help,
                               const std::vector<std::pair<std::string, std::string>>& labels,
                               std::function<double()> value) {
  rows_.push_back({name, help, labels, std::move(value)});
}

void ScrapeCollector::AddFamilies(std::function<std::vector<MetricFamily>()> families) {
  families_.push_back(std::move(families));
}

std::vector<MetricFamily> ScrapeCollector::Collect() const {
  std::vector<MetricFamily> families = ProcessFamilies();
  for (const auto& more : families_) {
    for (MetricFamily& family : more()) families.push_back(std::move(family));
  }
  for (const Row& row : rows_) {
    if (families.empty() || families.back().name != row.name) {
      families.push_back(FamilyOf(row.name, row.help, MetricType::Gauge, 0));
      families.back().metric.clear();
    }
    ClientMetric metric;
    for (const auto& [name, value] : row.labels) metric.label.push_back({name, value});
    metric.gauge.value = row.value();
    families.back().metric.push_back(metric);
  }
  return families;
}

}  // namespace slotmatch
