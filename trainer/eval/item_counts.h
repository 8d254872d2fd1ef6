#pragma once

#include "absl/status/statusor.h"
#include "trainer/data/dataset.h"
#include "trainer/eval/boundary.h"
#include "trainer/eval/contingency.h"
#include "trainer/eval/track_counts.h"

namespace slotmatch {

// Everything the metrics need to know about one scored item: a frame, or the frames of a video so
// far. Its size does not grow with their number. Not thread-safe.
class ItemCounts {
 public:
  ItemCounts(int num_slots, const ScoringRules& rules)
      : rules_(rules), pixels_(num_slots), regions_(num_slots) {}

  // Counts one frame. truth: object ids, as DatasetFrame::labels; prediction: slot indices.
  // kInvalidArgument, as the reference refuses them: maps that differ in size, a slot that is not
  // < num_slots, overlapping objects where the rules do not leave them out.
  static absl::StatusOr<ItemCounts> OfFrame(const LabelMap& truth, const LabelMap& prediction,
                                            int num_slots, const ScoringRules& rules);
  // Says which track every slot of this one frame is, 0: none.
  void SetTracks(absl::Span<const uint64_t> ids);
  // Appends the next frame of the same video.
  void Append(const ItemCounts& frame);

  // Whether the adjusted Rand index counts the item: its truth has annotated pixels, overlapping
  // ones too, or the background is a channel of the truth.
  bool counts_for_ari() const {
    return rules_.counts_empty_frames || pixels_.has_objects() || pixels_.overlap_px() > 0;
  }
  const Contingency& pixels() const { return pixels_; }
  const RegionAndBoundary& regions() const { return regions_; }
  const IdentitySwitches& switches() const { return switches_; }
  const TrackCounts& tracks() const { return tracks_; }  // of the frames that have them

 private:
  ScoringRules rules_;
  Contingency pixels_;
  RegionAndBoundary regions_;
  IdentitySwitches switches_;
  std::vector<uint64_t> track_ids_;  // of a frame
  TrackCounts tracks_;
};

}  // namespace slotmatch
