#include "server/admin/trace_writer.h"

#include <utility>

#include "server/rpc/status_convert.h"

namespace slotmatch {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;

}  // namespace

void TraceWriter::Begin(absl::StatusOr<std::string> text) {
  if (!text.ok()) return End(text.status());
  text_ = *std::move(text);
  WriteNext();
}

void TraceWriter::WriteNext() {
  if (written_ >= text_.size()) return End(absl::OkStatus());
  piece_.set_json(text_.substr(written_, kPieceBytes));
  written_ += piece_.json().size();
  StartWrite(&piece_);
}

void TraceWriter::OnWriteDone(bool ok) {
  if (!ok) return End(absl::CancelledError("the client cancelled or went away"));
  scope_->MessageSent();
  WriteNext();
}

void TraceWriter::End(const absl::Status& status) {
  scope_->End(status);
  Finish(ToGrpcStatus(status));
}

}  // namespace slotmatch
