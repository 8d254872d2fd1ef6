#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/eval/bootstrap.h"
#include "trainer/eval/score_board.h"

namespace slotmatch {

// The scores of one clip: a whole video, or a piece of it that was scored by itself.
struct ClipScores {
  int64_t video = 0;
  std::string name;         // of the video
  int64_t first_frame = 0;  // of the clip in its video
  int64_t frames = 0;
  Scores scores;
};

struct ModelScores {
  std::string model;  // name/version
  Scores scores;      // of the whole dataset
  std::vector<ClipScores> clips;
  int64_t skipped_videos = 0;
};

// How sure the scores are: percentile bootstrap over videos.
struct Confidence {
  double level = 0.95;
  uint64_t seed = 0;
  int draws = 2000;
};

// What the videos say about one metric of one model, and about its difference to the first model
// (paired: both on the same draws). Intervals are NaN with fewer than two videos.
struct Estimate {
  Score score;
  Interval interval;
  double difference = 0;
  Interval difference_interval;
};
// [model][row of MetricTable()]. Every model has the same videos.
std::vector<std::vector<Estimate>> Estimates(const std::vector<ModelScores>& models,
                                             const Confidence& confidence);

// One line a metric, one column a model, then one column for every difference to the first model.
std::string ScoreTable(const std::vector<ModelScores>& models, const Confidence& confidence);
// A header, and one line a model and clip; empty fields where a metric does not count the clip.
std::string ScoresAsCsv(const std::vector<ModelScores>& models);
// The first model's scores by name (null: no item counted), "items" frames and "videos"; intervals
// under "confidence"; the other models in the same form under "others", with their "difference".
nlohmann::json ScoresAsJson(const std::vector<ModelScores>& models, const Confidence& confidence);

}  // namespace slotmatch
