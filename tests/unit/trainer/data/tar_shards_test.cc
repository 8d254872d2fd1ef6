#include "trainer/data/tar_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dataset_files.h"
#include "tests/support/dataset_reading.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;
using testing::ElementsAre;

using absl::StatusCode;

// Frames of 1x2 px whose bytes count up.
std::string Video(int frames, char first) {
  std::string data;
  for (int i = 0; i < frames * 6; ++i) data.push_back(static_cast<char>(first + i));
  return NpyBytes({frames, 1, 2, 3}, data);
}

std::string Labels(const std::string& labels) {
  return NpyBytes({static_cast<int64_t>(labels.size() / 2), 1, 2, 1}, labels);
}

class TarShardsTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open(const std::string& kind,
                                                     const std::string& split = "train") {
    return OpenDataset(MakeDatasetConfig(kind, folder_.path(), split));
  }
  TempDir folder_;
};

TEST_F(TarShardsTest, MoviReadsSamplesOfAllShards) {
  folder_.Write("movi_e-train-000001.tar", TarBytes({{"7.video.npy", Video(2, 50)}}));
  folder_.Write("movi_e-train-000000.tar",
                TarBytes({{"3.segmentations.npy", Labels(std::string("\0\1\2\3", 4))},
                          {"3.video.npy", Video(2, 0)},
                          {"4.video.npy", Video(1, 90)},
                          {"4.forward_flow.npy", "whatever"}}));
  folder_.Write("movi_e-validation-000000.tar", TarBytes({{"1.video.npy", Video(1, 0)}}));
  const auto dataset = Open("movi");
  ASSERT_THAT(dataset, IsOk());
  ASSERT_EQ((*dataset)->num_videos(), 3);
  EXPECT_EQ((*dataset)->video_name(0), "movi_e-train-000000/3");
  EXPECT_EQ((*dataset)->video_name(2), "movi_e-train-000001/7");
  EXPECT_TRUE((*dataset)->scoring_rules().counts_empty_frames);
  const auto frames = ReadVideo(**dataset, 0);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].image.width, 2);
  EXPECT_THAT(frames[1].image.rgb, ElementsAre(6, 7, 8, 9, 10, 11));
  EXPECT_THAT(frames[0].labels.labels, ElementsAre(0, 1));
  EXPECT_THAT(frames[1].labels.labels, ElementsAre(2, 3));
  EXPECT_TRUE(ReadVideo(**dataset, 2)[1].labels.labels.empty());
  EXPECT_NE(*(*dataset)->ContentKey(0), *(*dataset)->ContentKey(1));
  EXPECT_EQ(Open("movi", "val").value()->num_videos(), 1);
}

TEST_F(TarShardsTest, DavisVoidIsUnlabelled) {
  folder_.Write(
      "davis-validation-000000.tar",
      TarBytes({{"0.video.npy", Video(1, 0)}, {"0.segmentations.npy", Labels("\x05\xff")}}));
  const auto dataset = Open("davis", "validation");
  ASSERT_THAT(dataset, IsOk());
  EXPECT_THAT(ReadVideo(**dataset, 0)[0].labels.labels, ElementsAre(5, 0));
  folder_.Write(
      "movi_c-validation-000000.tar",
      TarBytes({{"0.video.npy", Video(1, 0)}, {"0.segmentations.npy", Labels("\x05\xff")}}));
  EXPECT_THAT(StatusOfVideo(**Open("movi", "validation"), 1),
              FailsWith(StatusCode::kDataLoss, "object 255"));
}

TEST_F(TarShardsTest, YtvisHasOneChannelAnObject) {
  const std::string channels("\0\x09\0\x07\0\0", 6);  // two pixels of three objects
  folder_.Write("ytvis-validation-000000.tar",
                TarBytes({{"5.video.npy", Video(1, 0)},
                          {"5.segmentations.npy", NpyBytes({1, 1, 2, 3}, channels)}}));
  EXPECT_THAT(ReadVideo(**Open("ytvis", "validation"), 0)[0].labels.labels, ElementsAre(2, 1));
}

TEST_F(TarShardsTest, CocoHasOneMapAnObject) {
  folder_.Write(
      "coco-validation-000000.tar",
      TarBytes({{"5.image.npy", NpyBytes({1, 2, 3}, "abcdef")},
                {"5.segmentations.npy", NpyBytes({2, 1, 2}, std::string("\x3e\x3e\0\x01", 4))}}));
  const auto dataset = Open("coco", "validation");
  ASSERT_THAT(dataset, IsOk());
  const auto frames = ReadVideo(**dataset, 0);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_THAT(frames[0].labels.labels, ElementsAre(1, kOverlapLabel));
}

TEST_F(TarShardsTest, BrokenSamplesFailAloneAndAreNamed) {
  const std::string pixels(12, 'x');
  folder_.Write("movi_e-train-000000.tar",
                TarBytes({{"0.video.npy", NpyBytes({2, 1, 2, 3}, pixels, "|u1", true)},
                          {"1.video.npy", NpyBytes({2, 1, 2, 3}, pixels, "<f4")},
                          {"2.video.npy", NpyBytes({3, 1, 2, 3}, pixels)},
                          {"3.video.npy", NpyBytes({2, 2, 3}, pixels)},
                          {"4.video.npy", NpyBytes({1, 1, 4, 3}, pixels)},
                          {"4.segmentations.npy", Labels("ab")},
                          {"5.other.npy", ""},
                          {"6.video.npy", Video(1, 0)},
                          {"7.video.npy", NpyBytes({0, 1, 2, 3}, "")},
                          {"8.video.npy", ""}}));
  const auto dataset = Open("movi");
  ASSERT_THAT(dataset, IsOk());
  ASSERT_EQ((*dataset)->num_videos(), 9);
  EXPECT_THAT(StatusOfVideo(**dataset, 0),
              FailsWith(StatusCode::kDataLoss, "0.video.npy: the npy array is in"));
  EXPECT_THAT(StatusOfVideo(**dataset, 1), FailsWith(StatusCode::kDataLoss, "dtype '<f4'"));
  EXPECT_THAT(StatusOfVideo(**dataset, 2),
              FailsWith(StatusCode::kDataLoss, "has shape (3, 1, 2, 3) and"));
  EXPECT_THAT(StatusOfVideo(**dataset, 3),
              FailsWith(StatusCode::kDataLoss, "that is not 4 dimensions"));
  EXPECT_THAT(StatusOfVideo(**dataset, 4),
              FailsWith(StatusCode::kDataLoss, "does not fit 1 frames of 4x1"));
  EXPECT_THAT(StatusOfVideo(**dataset, 5),
              FailsWith(StatusCode::kDataLoss, "has no member video.npy"));
  EXPECT_THAT(StatusOfVideo(**dataset, 6), IsOk());
  EXPECT_THAT(StatusOfVideo(**dataset, 7), FailsWith(StatusCode::kDataLoss, "no RGB frames"));
  EXPECT_THAT(StatusOfVideo(**dataset, 8), FailsWith(StatusCode::kDataLoss, "not an npy file"));
}

TEST_F(TarShardsTest, TruncatedShardKeepsItsWholeSamples) {
  const std::string tar = TarBytes({{"0.video.npy", Video(1, 0)}, {"1.video.npy", Video(1, 9)}});
  for (const size_t length : {tar.size() - 1100, tar.size() / 2 + 100, size_t{600}}) {
    folder_.Write("movi_e-train-000000.tar", tar.substr(0, length));
    const auto dataset = Open("movi");
    ASSERT_THAT(dataset, IsOk());
    const int64_t last = (*dataset)->num_videos() - 1;
    EXPECT_EQ((*dataset)->video_name(last), "movi_e-train-000000/rest");
    EXPECT_THAT(StatusOfVideo(**dataset, last), FailsWith(StatusCode::kDataLoss, "no sound tar"));
    EXPECT_THAT((*dataset)->ContentKey(last), FailsWith(StatusCode::kDataLoss, "no sound tar"));
    if (last > 0) {
      EXPECT_THAT(StatusOfVideo(**dataset, 0), IsOk());
    }
  }
}

TEST_F(TarShardsTest, GarbageAndEmptyShards) {
  folder_.Write("movi_e-train-000000.tar", std::string(5000, 'q'));
  EXPECT_THAT(StatusOfVideo(**Open("movi"), 0), FailsWith(StatusCode::kDataLoss, "no sound tar"));
  folder_.Write("movi_e-train-000000.tar", TarBytes({}));
  EXPECT_THAT(Open("movi"), FailsWith(StatusCode::kDataLoss, "hold no sample"));
  EXPECT_THAT(Open("movi", "test"),
              FailsWith(absl::StatusCode::kNotFound, "<set>-test-<number>.tar"));
}

}  // namespace
}  // namespace slotmatch
