#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace slotmatch {

// Answers GET /metrics over HTTP/1.1 on threads of its own, with what `text` gives.
// prometheus-cpp's own exposer starts threads with stacks of 100 KiB, which the thread-local
// storage of LibTorch's libraries alone fills: they cannot start in this process.
class MetricsEndpoint {
 public:
  struct Options {
    std::string address;  // HOST:PORT, port 0: any free one
    std::function<std::string()> text;
    // OK when a request with this authorization header may read; else it gets 401. Empty: all may.
    std::function<absl::Status(const std::string& authorization)> allow;
  };
  // The functions are called from several threads. UNAVAILABLE when the port is taken.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(Options options);
  ~MetricsEndpoint();  // ends open connections and joins

  int port() const;

 private:
  MetricsEndpoint();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slotmatch
