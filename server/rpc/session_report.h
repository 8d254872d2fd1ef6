#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace slotmatch {

// What can be said about an open session. A value.
struct SessionReport {
  struct Model {
    std::string name, version;
    bool operator==(const Model&) const = default;
  };

  bool Uses(const Model& model) const {
    return std::find(models.begin(), models.end(), model) != models.end();
  }
  // Unless it is there already.
  void AddModel(const Model& model) {
    if (!Uses(model)) models.push_back(model);
  }

  std::string id;
  std::string method;         // the RPC: Segment, SegmentClip, ...
  std::string client;         // name of its token; empty: none was asked for
  std::string peer;           // address
  std::vector<Model> models;  // in use; only calls of KServe have several
  std::string trace_id;       // of the call's traceparent; empty: none
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
