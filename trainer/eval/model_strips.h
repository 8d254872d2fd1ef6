#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/data/dataset.h"
#include "trainer/eval/video_segmenter.h"

namespace slotmatch {

// A PNG of one video: its frames, spread over its length, above the masks of each model in turn
// and the ground truth where there is one. kDataLoss from the reader, or when it has no frame.
absl::StatusOr<std::string> ModelStrips(const VideoDataset& dataset, int64_t video,
                                        std::vector<VideoSegmenter>* models);

}  // namespace slotmatch
