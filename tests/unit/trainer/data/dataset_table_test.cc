#include "trainer/data/dataset_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace slotmatch {
namespace {

using testing::HasSubstr;

config::DatasetConfig Config(const std::string& kind, const std::string& path) {
  config::DatasetConfig config;
  config.set_kind(kind);
  config.set_path(path);
  return config;
}

int64_t CountFrames(const VideoDataset& dataset, int64_t video) {
  int64_t count = 0;
  const absl::Status status = dataset.ForEachFrame(video, true, [&](DatasetFrame frame) {
    EXPECT_EQ(frame.index, count);
    EXPECT_GT(frame.image.width, 0);
    EXPECT_EQ(frame.image.rgb.size(),
              static_cast<size_t>(3 * frame.image.width * frame.image.height));
    ++count;
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return count;
}

TEST(DatasetTable, EveryRowReadsASample) {
  const std::string frames = "samples/moving_solids/JPEGImages/128p";
  struct Sample {
    const char* kind;
    std::string path;
    int64_t videos, frames;
  };
  const std::vector<Sample> samples = {{"davis", "samples/moving_solids", 2, 8},
                                       {"frames", frames, 2, 8},
                                       {"images", frames + "/0212", 8, 1},
                                       {"video", "samples/cups.mp4", 1, 72}};
  for (const DatasetRow& row : DatasetTable()) {
    const auto sample = std::find_if(samples.begin(), samples.end(), [&](const Sample& s) {
      return s.kind == std::string(row.name);
    });
    ASSERT_NE(sample, samples.end()) << row.name << " has no sample";
    const auto dataset = OpenDataset(Config(row.name, sample->path));
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_EQ((*dataset)->num_videos(), sample->videos) << row.name;
    EXPECT_EQ(CountFrames(**dataset, 0), sample->frames) << row.name;
  }
}

TEST(OpenDataset, UnknownKindListsTheRows) {
  const absl::Status status = OpenDataset(Config("coco", "samples")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "dataset kind 'coco' is unknown; there are: davis, frames, images, video");
}

TEST(OpenDataset, MissingPathIsNotFound) {
  const absl::Status status = OpenDataset(Config("frames", "samples/nothing")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'samples/nothing' does not exist"));
}

}  // namespace
}  // namespace slotmatch
