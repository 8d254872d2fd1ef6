#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace slotmatch {

// What can be said about an open session. A value.
struct SessionReport {
  std::string id;
  std::string method;  // the RPC: Segment, SegmentClip, ...
  std::string client;  // name of its token; empty: none was asked for
  std::string peer;    // address
  std::string model;   // empty: none yet
  std::string version;
  std::string trace_id;  // of the call's traceparent; empty: none
  absl::Time opened;
  uint64_t frames_received = 0;
  uint64_t frames_answered = 0;  // with a result
  uint64_t frames_failed = 0;
  uint64_t frames_dropped = 0;
  int64_t credits = 0;        // frames the client may send now
  int64_t frames_inside = 0;  // received and not yet answered
  int64_t unread = 0;         // messages the client has not taken
  bool leaving = false;       // it was told to move
};

// Why a session is ended from outside.
enum class EndCause { kDraining, kModelUnloaded, kClosed };

}  // namespace slotmatch
