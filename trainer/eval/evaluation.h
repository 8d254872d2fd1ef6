#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/data/dataset.h"
#include "trainer/eval/score_report.h"
#include "trainer/eval/video_segmenter.h"

namespace slotmatch {

struct EvaluationOptions {
  int64_t max_videos = 0;   // score only the first so many; 0: all
  int64_t clip_frames = 0;  // score pieces of so many frames by themselves; 0: whole videos
  std::string pictures;  // folder for strips of the best and worst clips by video mBO; empty: none
  int64_t best = 3, worst = 3;
  // Sees every frame as it is scored, by model and video. May be empty.
  std::function<void(size_t model, int64_t video, const SegmentedFrame& frame)> watch;
};

// Scores every metric of the table on a labelled dataset, with progress on stderr. Each video is
// read once for all models, and memory grows with their number, not with that of clips or frames
// (but for each clip's scores). Videos that cannot be read or scored are left out with a warning.
// kDataLoss: no video is left; or an error from writing pictures.
absl::StatusOr<std::vector<ModelScores>> Evaluate(const VideoDataset& dataset,
                                                  std::vector<VideoSegmenter>* models,
                                                  const EvaluationOptions& options);

}  // namespace slotmatch
