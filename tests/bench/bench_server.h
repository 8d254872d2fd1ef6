#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/integration/process.h"

namespace slotmatch {

// The real server as a process of its own, for the time of this object.
class BenchServer {
 public:
  // `program`: slotmatch_server; `settings` as --set takes them. UNAVAILABLE when it does not
  // become ready.
  static absl::StatusOr<std::unique_ptr<BenchServer>> Start(
      const std::string& program, const std::string& model,
      const std::vector<std::string>& settings);
  ~BenchServer();

  absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> Connect(int connections) const;
  pid_t pid() const { return process_->pid(); }
  int64_t rss_bytes() const;
  int64_t peak_rss_bytes() const;

 private:
  BenchServer() = default;
  int64_t StatusBytes(const std::string& field) const;

  std::string folder_;
  std::unique_ptr<Process> process_;
  int port_ = 0;
};

}  // namespace slotmatch
