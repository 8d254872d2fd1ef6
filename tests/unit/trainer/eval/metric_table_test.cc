#include "trainer/eval/metric_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/weights/safetensors.h"
#include "tests/support/reference_metrics.h"
#include "tests/support/shared_files.h"
#include "tests/unit/trainer/eval/maps.h"
#include "trainer/eval/score_board.h"
#include "trainer/eval/truth_channels.h"

namespace slotmatch {
namespace {

constexpr double kTolerance = 1e-9;  // what the reference's own runs agree to

TEST(MetricTable, EveryRowHasANameOfItsOwnAndScoresAPerfectVideo) {
  const std::map<std::string, double> counts = {
      {"id_switches", 0}, {"track_id_switches", 0}, {"image_used_slots", 3}};
  std::set<std::string> names;
  ItemCounts video(3, {});
  for (int frame = 0; frame < 2; ++frame) {
    ItemCounts frame_counts =
        ItemCounts::OfFrame(Map(kGtA), Map("0022/0022/2211/2211"), 3, {}).value();
    frame_counts.SetTracks({7, 8, 9});
    video.Append(frame_counts);
  }
  for (const MetricRow& row : MetricTable()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(MetricTable()[MetricIndex(row.name)].value, row.value);
    EXPECT_NE(std::string(row.meaning), "");
    ASSERT_TRUE(row.value(video).has_value());
    const auto count = counts.find(row.name);
    EXPECT_DOUBLE_EQ(*row.value(video), count == counts.end() ? 1 : count->second);
  }
  EXPECT_EQ(MetricIndex("no_such_metric"), -1);
}

class ReferenceMetrics : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = SharedFile("fixtures/metrics.safetensors");
    if (path.empty()) GTEST_SKIP() << "fixtures/metrics.safetensors is not there";
    file_ = SafetensorsFile::Open(path).value();
    cases_ = nlohmann::json::parse(file_->metadata().at("cases"));
  }

  static ScoringRules Rules(const nlohmann::json& flags) {
    return {flags.at("ignore_background").get<bool>(), flags.at("ignore_overlaps").get<bool>()};
  }

  template <typename T>
  std::vector<T> Values(const std::string& name) const {
    const TensorView& view = *file_->Find(name);
    std::vector<T> values(view.num_elements());
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }

  // The frames of video b of a case, through the channel form.
  std::vector<std::pair<LabelMap, LabelMap>> Frames(const std::string& name, int64_t b,
                                                    const ScoringRules& rules) const {
    const TensorView &truth = *file_->Find(name + ".in.true"),
                     &slots = *file_->Find(name + ".in.pred");
    const int64_t frames = slots.shape[1], pixels = slots.shape[2] * slots.shape[3];
    const int height = static_cast<int>(slots.shape[2]), width = static_cast<int>(slots.shape[3]);
    std::vector<std::pair<LabelMap, LabelMap>> result;
    for (int64_t t = b * frames; t < (b + 1) * frames; ++t) {
      const int64_t channels = truth.shape[2];
      const auto map =
          LabelsFromChannels(truth.bytes.subspan(t * channels * pixels, channels * pixels),
                             static_cast<int>(channels), height, width, rules);
      const auto labels = slots.bytes.subspan(t * pixels, pixels);
      result.push_back({map.value(), {width, height, {labels.begin(), labels.end()}}});
    }
    return result;
  }

  void ExpectItem(const std::string& name, const char* reference, size_t item,
                  const Score& score) const {
    SCOPED_TRACE(name + " " + reference + " item " + std::to_string(item));
    const double expected = Values<double>(name + ".out." + reference + ".items").at(item);
    EXPECT_EQ(score.items == 0, std::isnan(expected));
    if (score.items > 0) {
      EXPECT_NEAR(score.value, expected, kTolerance);
    }
  }

  void ExpectMean(const std::string& name, const std::string& reference, const Score& score,
                  double expected) const {
    SCOPED_TRACE(name + " " + reference);
    if (score.items == 0) {
      EXPECT_TRUE(std::isnan(expected));
    } else {
      EXPECT_NEAR(score.value, expected, kTolerance);
    }
  }

  std::shared_ptr<const SafetensorsFile> file_;
  nlohmann::json cases_;
};

TEST_F(ReferenceMetrics, DatasetsEqual) {
  for (const auto& [name, flags] : cases_.items()) {
    ScoreBoard board(flags.at("n_slots").get<int>(), Rules(flags));
    const int64_t videos = file_->Find(name + ".in.pred")->shape[0];
    for (int64_t b = 0; b < videos; ++b) {
      for (const auto& [truth, slots] : Frames(name, b, Rules(flags))) {
        ASSERT_TRUE(board.AddFrame(truth, slots).ok());
      }
      board.EndVideo();
    }
    const Scores scores = board.scores();
    for (const ReferenceMetric& pair : kReferenceMetrics) {
      const std::string key = name + ".out." + pair.reference;
      const Score& score = ScoreOf(scores, pair.row);
      EXPECT_EQ(score.items, Values<int64_t>(key + ".count").at(0)) << key;
      ExpectMean(name, pair.reference, score, Values<double>(key + ".mean").at(0));
    }
    const std::vector<double> regions = Values<double>(name + ".out.jandf.mean");
    ExpectMean(name, "j_and_f", ScoreOf(scores, "j_and_f"), regions.at(0));
    ExpectMean(name, "jaccard", ScoreOf(scores, "jaccard"), regions.at(1));
    ExpectMean(name, "boundary_f", ScoreOf(scores, "boundary_f"), regions.at(2));
  }
}

TEST_F(ReferenceMetrics, ItemsEqual) {
  for (const auto& [name, flags] : cases_.items()) {
    const auto& shape = file_->Find(name + ".in.pred")->shape;
    for (int64_t b = 0; b < shape[0]; ++b) {
      ScoreBoard video(flags.at("n_slots").get<int>(), Rules(flags));
      ScoreBoard image = video;
      const auto frames = Frames(name, b, Rules(flags));
      for (size_t t = 0; t < frames.size(); ++t) {
        ASSERT_TRUE(video.AddFrame(frames[t].first, frames[t].second).ok());
        ASSERT_TRUE(image.AddFrame(frames[t].first, frames[t].second).ok());
        const Scores scores = image.EndVideo();  // of this frame alone
        for (const ReferenceMetric& pair : kReferenceMetrics) {
          if (!std::string(pair.row).starts_with("image")) continue;
          ExpectItem(name, pair.reference, b * frames.size() + t, ScoreOf(scores, pair.row));
        }
      }
      const Scores scores = video.EndVideo();
      for (const ReferenceMetric& pair : kReferenceMetrics) {
        if (!std::string(pair.row).starts_with("video")) continue;
        ExpectItem(name, pair.reference, b, ScoreOf(scores, pair.row));
      }
    }
  }
}

}  // namespace
}  // namespace slotmatch
