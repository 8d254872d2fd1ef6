#include "server/rpc/session_events.h"

#include <utility>

namespace slotmatch {
namespace {

// By LoadLevel, whose numbers are those of the wire.
constexpr const char* kLoadMessages[kNumLoadLevels] = {
    "the server is no longer overloaded",
    "the server is overloaded: frames wait longer for others to be computed with",
    "the server is overloaded: sessions that drop frames have some bridged by the predictor",
    "the server is overloaded: it takes no new sessions",
};
static_assert(static_cast<int>(LoadLevel::kNoNewSessions) == v1::LOAD_LEVEL_NO_NEW_SESSIONS);

int LevelOf(const Load& load) { return static_cast<int>(load.level); }

}  // namespace

v1::SegmentResponse NoticeOf(v1::Notice::Kind kind, const std::string& message,
                             absl::Duration ends_in) {
  v1::SegmentResponse response;
  response.mutable_notice()->set_kind(kind);
  response.mutable_notice()->set_message(message);
  response.mutable_notice()->set_ends_in_ms(absl::ToInt64Milliseconds(ends_in));
  return response;
}

v1::SegmentResponse LoadNoticeOf(const Load& load) {
  v1::SegmentResponse response = NoticeOf(v1::Notice::LOAD, kLoadMessages[LevelOf(load)]);
  response.mutable_notice()->set_load_level(static_cast<v1::LoadLevel>(LevelOf(load)));
  response.mutable_notice()->set_bridged_frames(load.bridged_frames);
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
