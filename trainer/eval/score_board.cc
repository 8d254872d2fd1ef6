#include "trainer/eval/score_board.h"

#include "core/base/status.h"
#include "trainer/eval/metric_table.h"

namespace slotmatch {
namespace {

void AddItem(const ItemCounts& item, MetricLevel level, Scores* sums) {
  for (size_t i = 0; i < sums->size(); ++i) {
    if (MetricTable()[i].level != level) continue;
    if (const auto value = MetricTable()[i].value(item)) {
      ++(*sums)[i].items;
      (*sums)[i].value += *value;
    }
  }
}

Scores Means(Scores sums) {
  for (Score& score : sums) {
    if (score.items > 0) score.value /= static_cast<double>(score.items);
  }
  return sums;
}

}  // namespace

const Score& ScoreOf(const Scores& scores, absl::string_view metric) {
  return scores.at(MetricIndex(metric));
}

ScoreBoard::ScoreBoard(int num_slots, const ScoringRules& rules)
    : num_slots_(num_slots),
      rules_(rules),
      video_(num_slots, rules),
      sums_(MetricTable().size()),
      video_sums_(MetricTable().size()) {}

absl::Status ScoreBoard::AddFrame(const LabelMap& truth, const LabelMap& prediction,
                                  absl::Span<const uint64_t> track_ids) {
  SM_ASSIGN_OR_RETURN(ItemCounts frame, ItemCounts::OfFrame(truth, prediction, num_slots_, rules_));
  if (!track_ids.empty()) frame.SetTracks(track_ids);
  AddItem(frame, MetricLevel::kImage, &video_sums_);
  video_.Append(frame);
  return absl::OkStatus();
}

Scores ScoreBoard::EndVideo() {
  AddItem(video_, MetricLevel::kVideo, &video_sums_);
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].items += video_sums_[i].items;
    sums_[i].value += video_sums_[i].value;
  }
  Scores scores = Means(std::move(video_sums_));
  video_ = ItemCounts(num_slots_, rules_);
  video_sums_ = Scores(MetricTable().size());
  return scores;
}

Scores ScoreBoard::scores() const { return Means(sums_); }

}  // namespace slotmatch
