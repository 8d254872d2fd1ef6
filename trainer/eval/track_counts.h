#pragma once

#include <cstdint>
#include <map>

#include "absl/types/span.h"
#include "trainer/eval/tracks.h"

namespace slotmatch {

// A video's pixels by track ID instead of slot index. Columns of pixels() are the IDs in the order
// of their first frame. Not thread-safe.
class TrackCounts {
 public:
  // The next frame: its counts by slot, and every slot's ID, 0: none.
  void AddFrame(const Contingency& frame, absl::Span<const uint64_t> ids);

  const Contingency& pixels() const { return pixels_; }
  const IdentitySwitches& switches() const { return switches_; }

 private:
  std::map<uint64_t, int> column_of_;
  Contingency pixels_{0};
  IdentitySwitches switches_;
};

}  // namespace slotmatch
