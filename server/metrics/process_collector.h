#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace slotmatch {

// Memory of this process in RAM; 0 when /proc does not say.
uint64_t ResidentBytes();

// Values read at scrape time: the process's own (/proc) and callbacks.
class ScrapeCollector : public prometheus::Collectable {
 public:
  void AddGauge(const std::string& name, const std::string& help,
                const std::vector<std::pair<std::string, std::string>>& labels,
                std::function<double()> value);
  void AddFamilies(std::function<std::vector<prometheus::MetricFamily>()> families);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Row {
    std::string name, help;
    std::vector<std::pair<std::string, std::string>> labels;
    std::function<double()> value;
  };
  std::vector<Row> rows_;
  std::vector<std::function<std::vector<prometheus::MetricFamily>()>> families_;
};

}  // namespace slotmatch
