#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trainer/eval/item_counts.h"

namespace slotmatch {

// Mean of one metric over the items that counted; value 0 when none did.
struct Score {
  int64_t items = 0;
  double value = 0;
};
// By row of MetricTable().
using Scores = std::vector<Score>;
const Score& ScoreOf(const Scores& scores, absl::string_view metric);

// Accumulates every row of the metric table over a dataset. A value: a copy from before a video
// takes the video back. Not thread-safe.
class ScoreBoard {
 public:
  ScoreBoard(int num_slots, const ScoringRules& rules);

  // The next frame of the video. `track_ids`, one a slot, are for the rows about tracks; without
  // them these count nothing. kInvalidArgument as ItemCounts::OfFrame; the frame is not counted.
  absl::Status AddFrame(const LabelMap& truth, const LabelMap& prediction,
                        absl::Span<const uint64_t> track_ids = {});
  // Ends the video: its own scores, which now are part of the dataset's.
  Scores EndVideo();

  Scores scores() const;  // of the videos that ended

 private:
  int num_slots_;
  ScoringRules rules_;
  ItemCounts video_;
  Scores sums_, video_sums_;
};

}  // namespace slotmatch
