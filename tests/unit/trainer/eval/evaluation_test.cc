#include "trainer/eval/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "tests/unit/trainer/eval/tiny_model_directory.h"
#include "trainer/eval/metric_table.h"

namespace slotmatch {
namespace {

// The sample clips, with frames counted and videos that break at their sixth frame.
class WatchedClips : public VideoDataset {
 public:
  WatchedClips() {
    config::DatasetConfig config;
    config.set_path("samples/moving_solids");
    config.set_split("val");
    clips_ = OpenDataset(config).value();
  }
  void Break(int64_t video) { broken_[video] = true; }
  int64_t frames_read() const { return frames_read_; }

  int64_t num_videos() const override { return clips_->num_videos(); }
  std::string video_name(int64_t video) const override { return clips_->video_name(video); }
  bool has_labels() const override { return true; }
  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    return clips_->ForEachFrame(video, with_labels, [&](DatasetFrame frame) {
      ++frames_read_;
      if (frame.index == 5 && broken_.count(video) > 0) return absl::DataLossError("torn");
      return visit(std::move(frame));
    });
  }
  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    return clips_->ContentKey(video);
  }

 private:
  std::unique_ptr<VideoDataset> clips_;
  std::map<int64_t, bool> broken_;
  mutable int64_t frames_read_ = 0;
};

class EvaluateTest : public testing::Test {
 protected:
  std::vector<VideoSegmenter> Models(int count) const {
    return std::vector<VideoSegmenter>(count, VideoSegmenter::Open(directory_).value());
  }
  static void ExpectSame(const Scores& a, const Scores& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].items, b[i].items) << MetricTable()[i].name;
      EXPECT_EQ(a[i].value, b[i].value) << MetricTable()[i].name;
    }
  }

  std::string root_ = FreshDirectory("evaluation");
  std::string directory_ = WriteTinyModelDirectory(root_);
  WatchedClips clips_;
};

TEST_F(EvaluateTest, ReadsEachVideoOnceForAllModels) {
  std::vector<VideoSegmenter> models = Models(2);
  const auto scores = Evaluate(clips_, &models, {});
  ASSERT_TRUE(scores.ok()) << scores.status();
  ASSERT_EQ(scores->size(), 2u);
  EXPECT_EQ(clips_.frames_read(), 8 * clips_.num_videos());
  ExpectSame(scores->at(0).scores, scores->at(1).scores);
  EXPECT_EQ(scores->at(0).model, "tiny/1");
  ASSERT_EQ(static_cast<int64_t>(scores->at(0).clips.size()), clips_.num_videos());
  EXPECT_EQ(scores->at(0).clips[1].name, clips_.video_name(1));
  EXPECT_EQ(scores->at(0).clips[1].video, 1);
  EXPECT_EQ(scores->at(0).clips[1].frames, 8);
  EXPECT_EQ(ScoreOf(scores->at(0).scores, "image_mbo").items, clips_.frames_read());
}

TEST_F(EvaluateTest, PiecesOfAVideoAreClips) {
  std::vector<VideoSegmenter> models = Models(1);
  EvaluationOptions options;
  options.clip_frames = 3;
  options.max_videos = 1;
  const auto scores = Evaluate(clips_, &models, options);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const std::vector<ClipScores>& clips = scores->at(0).clips;
  ASSERT_EQ(clips.size(), 3u);
  const int64_t expected[][2] = {{0, 3}, {3, 3}, {6, 2}};  // first frame, frames
  for (size_t i = 0; i < clips.size(); ++i) {
    EXPECT_EQ(clips[i].video, 0);
    EXPECT_EQ(clips[i].first_frame, expected[i][0]);
    EXPECT_EQ(clips[i].frames, expected[i][1]);
  }
  EXPECT_EQ(ScoreOf(scores->at(0).scores, "video_mbo").items, 3);
}

TEST_F(EvaluateTest, BrokenVideosLeaveNothing) {
  std::vector<VideoSegmenter> models = Models(1);
  EvaluationOptions options;
  options.clip_frames = 4;  // its first piece was scored before it broke
  clips_.Break(0);
  const auto scores = Evaluate(clips_, &models, options);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(scores->at(0).skipped_videos, 1);
  EXPECT_EQ(static_cast<int64_t>(scores->at(0).clips.size()), 2 * (clips_.num_videos() - 1));
  EXPECT_EQ(scores->at(0).clips[0].video, 1);
  EXPECT_EQ(ScoreOf(scores->at(0).scores, "image_mbo").items, 8 * (clips_.num_videos() - 1));
}

TEST_F(EvaluateTest, NothingToScoreIsAnError) {
  std::vector<VideoSegmenter> models = Models(1);
  for (int64_t video = 0; video < clips_.num_videos(); ++video) clips_.Break(video);
  EXPECT_EQ(Evaluate(clips_, &models, {}).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EvaluateTest, WritesPicturesOfTheBestAndTheWorst) {
  std::vector<VideoSegmenter> models = Models(1);
  EvaluationOptions options;
  options.pictures = root_ + "/pictures";
  options.best = 1;
  options.worst = 1;
  ASSERT_TRUE(Evaluate(clips_, &models, options).ok());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options.pictures)) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre(testing::StartsWith("tiny_1_best1_"),
                                                   testing::StartsWith("tiny_1_worst1_")));
}

}  // namespace
}  // namespace slotmatch
