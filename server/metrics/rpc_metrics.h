#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

#include "absl/time/time.h"

namespace slotmatch {

// Buckets of what lasts seconds to a day: sessions and RPCs.
const prometheus::Histogram::BucketBoundaries& DurationBuckets();

// The go-grpc-middleware family for every method of the server, made once and pre-set to 0. The
// registry is borrowed. Thread-safe; methods are rows of the table in the source.
class RpcMetrics {
 public:
  explicit RpcMetrics(prometheus::Registry* registry);

  void Started(const std::string& method);
  void Message(const std::string& method, bool received);
  void Handled(const std::string& method, int code, absl::Duration duration);

 private:
  std::map<std::string, prometheus::Counter*> started_, received_, sent_;
  std::map<std::string, prometheus::Counter*> handled_;  // method + code
  std::map<std::string, prometheus::Histogram*> seconds_;
};

}  // namespace slotmatch
