#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "core/engine/stream_types.h"

namespace slotmatch {

// How well slots and tracks do, over all sessions. The registry is borrowed. Thread-safe.
class SlotMetrics {
 public:
  explicit SlotMetrics(prometheus::Registry* registry);
  void Seen(const SlotHealth& health);

 private:
  prometheus::Histogram *empty_, *churn_, *entropy_;
  prometheus::Counter *born_, *returned_;
};

}  // namespace slotmatch
