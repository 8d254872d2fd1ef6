#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "trainer/data/dataset.h"

namespace slotmatch {

// Truth as the reference stores it, one binary channel an object [channels, height, width], as a
// label map: object c is channel c - 1, or channel c when the rules say that channel 0 is the
// background (counts_empty_frames). Pixels of several channels become kOverlapLabel.
// kInvalidArgument, as the reference refuses them: values other than 0 and 1, overlaps that the
// rules do not leave out, with a background pixels that are not in exactly one channel; and more
// than 254 objects.
absl::StatusOr<LabelMap> LabelsFromChannels(absl::Span<const uint8_t> channels, int num_channels,
                                            int height, int width, const ScoringRules& rules);

}  // namespace slotmatch
