#include "trainer/eval/item_counts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

absl::Status Check(const LabelMap& truth, const LabelMap& prediction, int num_slots,
                   const ScoringRules& rules) {
  const size_t pixels = static_cast<size_t>(truth.width) * truth.height;
  if (truth.width != prediction.width || truth.height != prediction.height ||
      truth.labels.size() != pixels || prediction.labels.size() != pixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("truth of ", truth.width, " x ", truth.height, " and prediction of ",
                     prediction.width, " x ", prediction.height, " pixels cannot be compared"));
  }
  if (pixels == 0) return absl::InvalidArgumentError("a frame without pixels cannot be scored");
  const int highest = *std::max_element(prediction.labels.begin(), prediction.labels.end());
  if (highest >= num_slots) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prediction has slot ", highest, ", but the model has only ", num_slots));
  }
  const bool overlaps_allowed = rules.ignores_overlaps && !rules.counts_empty_frames;
  if (!overlaps_allowed &&
      std::find(truth.labels.begin(), truth.labels.end(), kOverlapLabel) != truth.labels.end()) {
    return absl::InvalidArgumentError(
        "objects of the truth overlap, which this dataset's scores do not allow");
  }
  return absl::OkStatus();
}

// Leaves pixels of overlapping objects out of both maps.
void DropOverlaps(LabelMap* truth, LabelMap* prediction) {
  for (size_t i = 0; i < truth->labels.size(); ++i) {
    if (truth->labels[i] != kOverlapLabel) continue;
    truth->labels[i] = 0;
    prediction->labels[i] = kNoSlot;
  }
}

}  // namespace

absl::StatusOr<ItemCounts> ItemCounts::OfFrame(const LabelMap& truth, const LabelMap& prediction,
                                               int num_slots, const ScoringRules& rules) {
  SM_RETURN_IF_ERROR(Check(truth, prediction, num_slots, rules));
  ItemCounts counts(num_slots, rules);
  counts.pixels_.Add(truth, prediction);
  counts.switches_.AddFrame(counts.pixels_);
  Contingency boundaries(num_slots);
  if (counts.pixels_.overlap_px() > 0) {
    LabelMap kept_truth = truth, kept_prediction = prediction;
    DropOverlaps(&kept_truth, &kept_prediction);
    boundaries.Add(Boundaries(kept_truth, 0), Boundaries(kept_prediction, kNoSlot));
  } else if (counts.pixels_.has_objects()) {
    boundaries.Add(Boundaries(truth, 0), Boundaries(prediction, kNoSlot));
  }
  counts.regions_.AddFrame(counts.pixels_, boundaries);
  return counts;
}

void ItemCounts::SetTracks(absl::Span<const uint64_t> ids) {
  track_ids_.assign(ids.begin(), ids.end());
  tracks_ = TrackCounts();
  tracks_.AddFrame(pixels_, ids);
}

void ItemCounts::Append(const ItemCounts& frame) {
  pixels_.Add(frame.pixels_);
  regions_.Add(frame.regions_);
  switches_.AddFrame(frame.pixels_);
  if (!frame.track_ids_.empty()) tracks_.AddFrame(frame.pixels_, frame.track_ids_);
}

}  // namespace slotmatch
