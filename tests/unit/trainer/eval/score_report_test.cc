#include "trainer/eval/score_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/trainer/eval/maps.h"
#include "trainer/eval/metric_table.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

// Two videos: object in the middle, and the two of kGtA; the second has an unlabelled frame more.
ModelScores Score(const std::string& name, const char* first, const char* second) {
  ModelScores model;
  model.model = name;
  ScoreBoard board(3, {});
  const std::vector<uint64_t> tracks = {1, 2, 3};
  EXPECT_TRUE(board.AddFrame(Map(kGtD), Map(first), tracks).ok());
  model.clips.push_back({0, "one, \"two\"", 0, 1, board.EndVideo()});
  EXPECT_TRUE(board.AddFrame(Map(kGtA), Map(second), tracks).ok());
  EXPECT_TRUE(board.AddFrame(Map(kAllZero), Map(kAllZero), tracks).ok());
  model.clips.push_back({1, "b", 0, 2, board.EndVideo()});
  model.scores = board.scores();
  return model;
}

std::vector<ModelScores> TwoModels() {
  return {Score("bad/1", kAllZero, kAllZero), Score("good/1", kGtD, kPredA)};
}

TEST(Estimates, AreTheScoresWithIntervalsAround) {
  const auto estimates = Estimates(TwoModels(), {});
  for (const auto& of_model : estimates) {
    for (size_t m = 0; m < of_model.size(); ++m) {
      SCOPED_TRACE(MetricTable()[m].name);
      const Estimate& e = of_model[m];
      EXPECT_LE(e.interval.low, e.score.value);
      EXPECT_GE(e.interval.high, e.score.value);
      EXPECT_LE(e.difference_interval.low, e.difference);
      EXPECT_GE(e.difference_interval.high, e.difference);
    }
  }
  const size_t mbo = MetricIndex("image_mbo");
  EXPECT_DOUBLE_EQ(estimates[0][mbo].score.value, 0.25);
  EXPECT_DOUBLE_EQ(estimates[1][mbo].score.value, 0.8);
  EXPECT_DOUBLE_EQ(estimates[1][mbo].difference, 0.55);
  // On every draw the second model is better by something between its two videos.
  EXPECT_NEAR(estimates[1][mbo].difference_interval.low, 0.35, 1e-12);
  EXPECT_NEAR(estimates[1][mbo].difference_interval.high, 0.75, 1e-12);
}

TEST(Estimates, OneVideoHasNoInterval) {
  ModelScores model = Score("a/1", kGtD, kGtA);
  model.clips.pop_back();
  EXPECT_TRUE(std::isnan(Estimates({model}, {})[0][0].interval.low));
  EXPECT_THAT(ScoreTable({model}, {}), testing::Not(HasSubstr("[")));
}

// Pieces of one video hang together: they are drawn together.
TEST(Estimates, DrawVideosNotClips) {
  ModelScores model = Score("a/1", kAllZero, kPredA);
  for (ClipScores& clip : model.clips) clip.video = 5;
  EXPECT_TRUE(std::isnan(Estimates({model}, {})[0][0].interval.low));
}

TEST(ScoreTable, HasALineAMetricAndAColumnAModel) {
  const std::string table = ScoreTable(TwoModels(), {0.95, 4, 100});
  EXPECT_THAT(table, HasSubstr("2 videos, 3 frames; [95 % interval: bootstrap over videos, "
                               "100 draws, seed 4]\n"));
  EXPECT_THAT(table, HasSubstr("good/1 - bad/1"));
  for (const MetricRow& row : MetricTable()) EXPECT_THAT(table, HasSubstr(row.name));
  EXPECT_THAT(table, HasSubstr("0.8000 [0.6000, 1.0000]"));
  EXPECT_THAT(table, HasSubstr("+0.5500 [+0.3500, +0.7500]"));
}

TEST(ScoresAsCsv, HasALineAModelAndClip) {
  const std::string csv = ScoresAsCsv(TwoModels());
  EXPECT_THAT(csv, testing::StartsWith("model,video,first_frame,frames,image_fg_ari,"));
  EXPECT_THAT(csv, HasSubstr("\nbad/1,\"one, \"\"two\"\"\",0,1,1.000000,"));
  EXPECT_THAT(csv, HasSubstr("\ngood/1,b,0,2,0.322581,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
}

TEST(ScoresAsCsv, MetricsThatDoNotCountAClipStayEmpty) {
  ModelScores model = Score("a/1", kAllZero, kPredA);
  model.clips[0].scores = Scores(MetricTable().size());
  EXPECT_THAT(ScoresAsCsv({model}), HasSubstr(",0,1,,,"));
}

TEST(ScoresAsJson, HasEveryMetricOfEveryModel) {
  const nlohmann::json object = ScoresAsJson(TwoModels(), {});
  EXPECT_EQ(object.at("model"), "bad/1");
  EXPECT_EQ(object.at("items"), 2);
  EXPECT_EQ(object.at("videos"), 2);
  EXPECT_EQ(object.at("bootstrap").at("draws"), 2000);
  const nlohmann::json& other = object.at("others").at(0);
  for (const MetricRow& row : MetricTable()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(object.at(row.name).is_number());
    EXPECT_EQ(object.at("confidence").at(row.name).size(), 2u);
    EXPECT_TRUE(other.at(row.name).is_number());
    EXPECT_TRUE(other.at("difference").at(row.name).at("value").is_number());
  }
  EXPECT_DOUBLE_EQ(other.at("difference").at("image_mbo").at("value").get<double>(), 0.55);
}

TEST(ScoresAsJson, MetricsWithoutItemsAreNull) {
  ModelScores model;
  model.model = "a/1";
  model.scores = Scores(MetricTable().size());
  const nlohmann::json object = ScoresAsJson({model, model}, {});
  EXPECT_TRUE(object.at("video_mbo").is_null());
  EXPECT_FALSE(object.at("others").at(0).contains("difference"));
}

}  // namespace
}  // namespace slotmatch
