#include "trainer/eval/metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace slotmatch {
namespace {

constexpr double kTolerance = 5e-11;

// "1100/0022" -> a map of 4 x 4 (or any size): one digit a pixel.
LabelMap Map(const std::string& rows) {
  LabelMap map;
  for (const char c : rows + "/") {
    if (c == '/') {
      ++map.height;
    } else {
      map.labels.push_back(static_cast<uint8_t>(c - '0'));
    }
  }
  map.width = static_cast<int>(map.labels.size()) / map.height;
  return map;
}

constexpr char kGtA[] = "1100/1100/0022/0022";
constexpr char kPredA[] = "0002/0122/2211/2212";
constexpr char kGtD[] = "0000/0110/0110/0000";
constexpr char kAllZero[] = "0000/0000/0000/0000";
constexpr char kSwapped[] = "2200/2200/0011/0011";

struct Vector {
  const char* name;
  const char* truth;
  const char* prediction;
  double fg_ari, mbo;
};

class EvaluationVectors : public testing::TestWithParam<Vector> {};

TEST_P(EvaluationVectors, EqualTheReference) {
  const Vector& v = GetParam();
  Contingency counts(3);
  counts.Add(Map(v.truth), Map(v.prediction));
  EXPECT_NEAR(counts.FgAri(), v.fg_ari, kTolerance);
  EXPECT_NEAR(counts.Mbo(), v.mbo, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Reference, EvaluationVectors,
                         testing::Values(Vector{"A", kGtA, kPredA, 0.3225806452, 0.6},
                                         Vector{"B", kGtA, "1102/1120/0222/0222", 1.0, 0.75},
                                         Vector{"C", kGtA, kAllZero, 0.0, 0.25},
                                         Vector{"D1", kGtD, kAllZero, 1.0, 0.25},
                                         Vector{"D2", kGtD, "0000/0100/0000/0000", 0.0, 0.25},
                                         Vector{"D3", kGtD, kGtD, 1.0, 1.0},
                                         Vector{"H", "1122/1122/1122/1122", "0101/0101/1010/1010",
                                                -0.0714285714, 0.3333333333}),
                         [](const auto& info) { return info.param.name; });

using Frames = std::vector<std::pair<const char*, const char*>>;

ScoreBoard::VideoScores AddVideo(ScoreBoard* board, const Frames& frames) {
  for (const auto& [truth, prediction] : frames) board->AddFrame(Map(truth), Map(prediction));
  return board->EndVideo();
}

void ExpectScores(const ScoreBoard::Scores& scores, int64_t items, double fg_ari, double mbo) {
  EXPECT_EQ(scores.items, items);
  EXPECT_NEAR(scores.fg_ari, fg_ari, kTolerance);
  EXPECT_NEAR(scores.mbo, mbo, kTolerance);
}

const Frames& E1() {
  static const auto& frames = *new Frames{{kGtA, kGtA}, {kGtA, kSwapped}};
  return frames;
}

TEST(ScoreBoard, E1SlotsThatSwapBetweenFramesFailAtVideoLevel) {
  ScoreBoard board(3);
  AddVideo(&board, E1());
  ExpectScores(board.image(), 2, 1.0, 1.0);
  ExpectScores(board.video(), 1, -0.0714285714, 0.3333333333);
}

TEST(ScoreBoard, E2ConsistentSlotsArePerfect) {
  ScoreBoard board(3);
  AddVideo(&board, {{kGtA, kGtA}, {kGtA, kGtA}});
  ExpectScores(board.image(), 2, 1.0, 1.0);
  ExpectScores(board.video(), 1, 1.0, 1.0);
}

// A frame without any labelled pixel is skipped at image level, but its slots count as false
// positives of the video.
TEST(ScoreBoard, FYtvisStyleSkipsEmptyFrames) {
  ScoreBoard board(3);
  AddVideo(&board, {{kGtA, kPredA}, {kAllZero, kAllZero}});
  ExpectScores(board.image(), 1, 0.3225806452, 0.6);
  ExpectScores(board.video(), 1, 0.3225806452, 0.3714285714);
}

TEST(ScoreBoard, GPoolsFramesAndVideosOfADataset) {
  ScoreBoard board(3);
  AddVideo(&board, {{kGtA, kPredA}});
  AddVideo(&board, E1());
  ExpectScores(board.image(), 3, 0.7741935484, 0.8666666667);
  ExpectScores(board.video(), 2, 0.1255760369, 0.4666666667);
}

TEST(ScoreBoard, EachVideoReportsItsOwnScores) {
  ScoreBoard board(3);
  const auto first = AddVideo(&board, {{kGtA, kPredA}});
  const auto second = AddVideo(&board, E1());
  ExpectScores(first.video, 1, 0.3225806452, 0.6);
  ExpectScores(second.image, 2, 1.0, 1.0);
  ExpectScores(second.video, 1, -0.0714285714, 0.3333333333);
}

TEST(ScoreBoard, UnlabelledVideosAndNothingAtAllGiveNoItems) {
  ScoreBoard board(3);
  ExpectScores(AddVideo(&board, {{kAllZero, kAllZero}}).video, 0, 0.0, 0.0);
  ExpectScores(board.video(), 0, 0.0, 0.0);
  ExpectScores(board.image(), 0, 0.0, 0.0);
}

TEST(Contingency, ObjectIdsMayHaveGaps) {
  LabelMap truth = Map(kGtA);
  for (uint8_t& label : truth.labels) label = label == 2 ? 200 : label;
  Contingency counts(3);
  counts.Add(truth, Map(kPredA));
  EXPECT_NEAR(counts.FgAri(), 0.3225806452, kTolerance);
  EXPECT_NEAR(counts.Mbo(), 0.6, kTolerance);
}

TEST(Contingency, SumOfFramesEqualsOneTallFrame) {
  Contingency sum(3), part(3), tall(3);
  sum.Add(Map(kGtA), Map(kPredA));
  part.Add(Map(kGtD), Map(kAllZero));
  sum.Add(part);
  tall.Add(Map(std::string(kGtA) + "/" + kGtD), Map(std::string(kPredA) + "/" + kAllZero));
  EXPECT_EQ(sum.FgAri(), tall.FgAri());
  EXPECT_EQ(sum.Mbo(), tall.Mbo());
}

}  // namespace
}  // namespace slotmatch
