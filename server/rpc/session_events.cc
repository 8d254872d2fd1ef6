#include "server/rpc/session_events.h"

#include <utility>

namespace slotmatch {

v1::SegmentResponse NoticeOf(v1::Notice::Kind kind, const std::string& message,
                             absl::Duration ends_in) {
  v1::SegmentResponse response;
  response.mutable_notice()->set_kind(kind);
  response.mutable_notice()->set_message(message);
  response.mutable_notice()->set_ends_in_ms(absl::ToInt64Milliseconds(ends_in));
  return response;
}

v1::SegmentResponse GoAwayOf(v1::GoAway::Reason reason, const std::string& message) {
  v1::SegmentResponse response;
  response.mutable_go_away()->set_reason(reason);
  response.mutable_go_away()->set_message(message);
  return response;
}

v1::SegmentResponse PongOf(uint64_t nonce) {
  v1::SegmentResponse response;
  response.mutable_pong()->set_nonce(nonce);
  return response;
}

SealedState FromWire(const v1::SessionState& wire) {
  return {wire.payload(), wire.digest(), wire.is_signed(), wire.last_frame_id()};
}

v1::SessionState ToWire(SealedState sealed) {
  v1::SessionState wire;
  wire.set_payload(std::move(sealed.payload));
  wire.set_digest(std::move(sealed.digest));
  wire.set_is_signed(sealed.is_signed);
  wire.set_last_frame_id(sealed.last_frame_id);
  return wire;
}

bool SealInto(const StateSealer& sealer, const ModelInfo& model, const SessionPoint& point,
              v1::SegmentResponse* response) {
  absl::StatusOr<SealedState> sealed = sealer.Seal(model, point);
  if (response->has_go_away()) {
    if (sealed.ok()) *response->mutable_go_away()->mutable_state() = ToWire(*std::move(sealed));
  } else if (sealed.ok()) {
    *response->mutable_state() = ToWire(*std::move(sealed));
  } else {
    *response = NoticeOf(v1::Notice::STATE_UNAVAILABLE, std::string(sealed.status().message()));
  }
  return sealed.ok();
}

}  // namespace slotmatch
