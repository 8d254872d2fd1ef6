#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/rpc/rpc_scope.h"
#include "slotmatch/v1/admin.pb.h"

namespace slotmatch {

// Streams a text in pieces. Owned by itself until OnDone; Begin() is called exactly once.
class TraceWriter : public grpc::ServerWriteReactor<v1::StopTraceResponse> {
 public:
  explicit TraceWriter(std::unique_ptr<RpcScope> scope) : scope_(std::move(scope)) {}

  // Writes the text, or ends with its status.
  void Begin(absl::StatusOr<std::string> text);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void WriteNext();
  void End(const absl::Status& status);

  const std::unique_ptr<RpcScope> scope_;
  std::string text_;
  size_t written_ = 0;
  v1::StopTraceResponse piece_;
};

}  // namespace slotmatch
