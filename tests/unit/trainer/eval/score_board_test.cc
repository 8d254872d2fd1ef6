#include "trainer/eval/score_board.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"
#include "trainer/eval/metric_table.h"

namespace slotmatch {
namespace {

constexpr double kTenDigits = 5e-11;  // the vectors are printed with ten digits

using Frames = std::vector<std::pair<const char*, const char*>>;

Scores AddVideo(ScoreBoard* board, const Frames& frames) {
  for (const auto& [truth, prediction] : frames) {
    EXPECT_TRUE(board->AddFrame(Map(truth), Map(prediction)).ok());
  }
  return board->EndVideo();
}

void ExpectScores(const Scores& scores, const std::string& level, int64_t items, double fg_ari,
                  double mbo) {
  EXPECT_EQ(ScoreOf(scores, level + "_mbo").items, items);
  EXPECT_NEAR(ScoreOf(scores, level + "_fg_ari").value, fg_ari, kTenDigits);
  EXPECT_NEAR(ScoreOf(scores, level + "_mbo").value, mbo, kTenDigits);
}

const Frames& E1() {
  static const auto& frames = *new Frames{{kGtA, kGtA}, {kGtA, kSwapped}};
  return frames;
}

TEST(ScoreBoard, E1SlotsThatSwapBetweenFramesFailAtVideoLevel) {
  ScoreBoard board(3, {});
  AddVideo(&board, E1());
  ExpectScores(board.scores(), "image", 2, 1.0, 1.0);
  ExpectScores(board.scores(), "video", 1, -0.0714285714, 0.3333333333);
}

TEST(ScoreBoard, E2ConsistentSlotsArePerfect) {
  ScoreBoard board(3, {});
  AddVideo(&board, {{kGtA, kGtA}, {kGtA, kGtA}});
  ExpectScores(board.scores(), "image", 2, 1.0, 1.0);
  ExpectScores(board.scores(), "video", 1, 1.0, 1.0);
}

const Frames& F() {
  static const auto& frames = *new Frames{{kGtA, kPredA}, {kAllZero, kAllZero}};
  return frames;
}

// A frame without any labelled pixel is skipped at image level, but its slots count as false
// positives of the video.
TEST(ScoreBoard, FYtvisStyleSkipsEmptyFrames) {
  ScoreBoard board(3, {});
  AddVideo(&board, F());
  ExpectScores(board.scores(), "image", 1, 0.3225806452, 0.6);
  ExpectScores(board.scores(), "video", 1, 0.3225806452, 0.3714285714);
  EXPECT_EQ(ScoreOf(board.scores(), "image_fg_ari").items, 1);
}

TEST(ScoreBoard, FMoviStyleCountsEmptyFramesAsOne) {
  ScoreBoard board(3, {true, false});
  AddVideo(&board, F());
  ExpectScores(board.scores(), "image", 1, 0.6612903226, 0.6);
  ExpectScores(board.scores(), "video", 1, 0.3225806452, 0.3714285714);
  EXPECT_EQ(ScoreOf(board.scores(), "image_fg_ari").items, 2);
}

TEST(ScoreBoard, GPoolsFramesAndVideosOfADataset) {
  ScoreBoard board(3, {});
  AddVideo(&board, {{kGtA, kPredA}});
  AddVideo(&board, E1());
  ExpectScores(board.scores(), "image", 3, 0.7741935484, 0.8666666667);
  ExpectScores(board.scores(), "video", 2, 0.1255760369, 0.4666666667);
}

// COCO style: objects {(0,0), (0,1)} and {(0,1), (0,2)}; slot 0 = {(0,0), (0,1)}, slot 1 the rest.
TEST(ScoreBoard, OverlapsAreLeftOut) {
  ScoreBoard board(2, {false, true});
  LabelMap truth = Map("1020/0000/0000/0000");
  truth.labels[1] = kOverlapLabel;
  ASSERT_TRUE(board.AddFrame(truth, Map("0011/1111/1111/1111")).ok());
  ExpectScores(board.EndVideo(), "image", 1, 1.0, 0.5357142857);
}

TEST(ScoreBoard, EachVideoReportsItsOwnScores) {
  ScoreBoard board(3, {});
  const Scores first = AddVideo(&board, {{kGtA, kPredA}});
  const Scores second = AddVideo(&board, E1());
  ExpectScores(first, "video", 1, 0.3225806452, 0.6);
  ExpectScores(second, "image", 2, 1.0, 1.0);
  ExpectScores(second, "video", 1, -0.0714285714, 0.3333333333);
}

TEST(ScoreBoard, ACopyTakesAVideoBack) {
  ScoreBoard board(3, {});
  const ScoreBoard before = board;
  AddVideo(&board, {{kGtD, kAllZero}});
  board = before;
  AddVideo(&board, E1());
  ExpectScores(board.scores(), "image", 2, 1.0, 1.0);
  ExpectScores(board.scores(), "video", 1, -0.0714285714, 0.3333333333);
}

TEST(ScoreBoard, UnlabelledVideosAndNothingAtAllGiveNoItems) {
  ScoreBoard board(3, {});
  for (const Scores& scores :
       {board.scores(), AddVideo(&board, {{kAllZero, kAllZero}}), board.scores()}) {
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i].items, 0) << MetricTable()[i].name;
      EXPECT_EQ(scores[i].value, 0) << MetricTable()[i].name;
    }
  }
}

TEST(ScoreBoard, RefusedFramesAreNotCounted) {
  ScoreBoard board(3, {});
  EXPECT_EQ(board.AddFrame(Map(kGtA), Map("00/00")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ScoreOf(board.EndVideo(), "image_mbo").items, 0);
}

}  // namespace
}  // namespace slotmatch
