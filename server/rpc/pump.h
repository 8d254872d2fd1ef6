#pragma once

#include <atomic>

namespace slotmatch {

// Lets one thread at a time start a call's gRPC operations, outside the call's lock: events come
// from many threads, and no operation may be started after Finish. Thread-safe.
class Pump {
 public:
  // Calls `step` until it says false. While another thread does so, leaves it to that one, which
  // looks again before it leaves. The call must be kept alive meanwhile.
  template <typename Step>
  void Run(Step step) {
    if (asked_.fetch_add(1) > 0) return;
    int seen = 1;
    do {
      while (step()) {
      }
      const int asked = asked_.fetch_sub(seen);
      seen = asked - seen;
    } while (seen > 0);
  }

 private:
  std::atomic<int> asked_{0};
};

}  // namespace slotmatch
