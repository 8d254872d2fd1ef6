#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "trainer/data/dataset_table.h"

namespace slotmatch {
namespace {

config::DatasetConfig Config(const std::string& path, double max_fps = 0) {
  config::DatasetConfig config;
  config.set_path(path);
  config.set_max_fps(max_fps);
  return config;
}

std::vector<Image> Read(const std::string& path, double max_fps = 0) {
  std::vector<Image> images;
  const auto dataset = OpenVideoFiles(Config(path, max_fps)).value();
  const absl::Status status = dataset->ForEachFrame(0, false, [&](DatasetFrame frame) {
    EXPECT_EQ(frame.index, static_cast<int64_t>(images.size()));
    images.push_back(std::move(frame.image));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return images;
}

TEST(VideoFile, ReadsEveryFrameTheSameEveryTime) {
  const std::vector<Image> images = Read("samples/cups.mp4"), again = Read("samples/cups.mp4");
  ASSERT_EQ(images.size(), 72u);
  ASSERT_EQ(again.size(), 72u);
  EXPECT_EQ(images[40].width, 640);
  EXPECT_EQ(images[40].height, 360);
  EXPECT_EQ(images[40].rgb.size(), 640u * 360u * 3u);
  EXPECT_EQ(images[40].rgb, again[40].rgb);
  EXPECT_NE(images[40].rgb, images[10].rgb);
}

// 12 frames/s at 4: every third frame; a higher limit drops none.
TEST(VideoFile, MaxFpsKeepsEvenlySpacedFrames) {
  const std::vector<Image> all = Read("samples/cups.mp4"), some = Read("samples/cups.mp4", 4);
  ASSERT_EQ(some.size(), 24u);
  for (size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i].rgb, all[3 * i].rgb) << i;
  EXPECT_EQ(Read("samples/cups.mp4", 30).size(), 72u);
}

TEST(VideoFile, FolderHoldsVideosByName) {
  const auto dataset = OpenVideoFiles(Config("samples")).value();
  ASSERT_EQ(dataset->num_videos(), 2);
  EXPECT_EQ(dataset->video_name(0), "cups");
  EXPECT_EQ(dataset->video_name(1), "dog");
  EXPECT_FALSE(dataset->has_labels());
}

TEST(VideoFile, ContentKeyHoldsTheRate) {
  const auto key = [](double max_fps) {
    return *OpenVideoFiles(Config("samples/cups.mp4", max_fps)).value()->ContentKey(0);
  };
  EXPECT_EQ(key(0), key(0));
  EXPECT_NE(key(0), key(4));
}

TEST(VideoFile, FileThatIsNoVideoIsDataLossNamingIt) {
  const TempDir folder;
  const auto dataset =
      OpenVideoFiles(Config(folder.Write("broken.mp4", "this is not a video"))).value();
  const absl::Status status =
      dataset->ForEachFrame(0, false, [](DatasetFrame) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("broken.mp4"));
}

}  // namespace
}  // namespace slotmatch
