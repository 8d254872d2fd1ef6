#include "trainer/data/dataset_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/dataset_files.h"
#include "tests/support/pictures.h"
#include "tests/support/temp_dir.h"

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

// Two videos of two frames in COCO's form, or in YTVIS's.
std::string AnnotationFile(bool videos) {
  nlohmann::json file;
  for (int v = 1; v <= 2; ++v) {
    const std::string name = std::to_string(v);
    const nlohmann::json mask = {{"size", {2, 2}}, {"counts", {1, 3}}};
    if (videos) {
      file["videos"].push_back({{"id", v}, {"file_names", {name + "/0.jpg", name + "/1.jpg"}}});
      file["annotations"].push_back({{"video_id", v}, {"segmentations", {mask, nullptr}}});
    } else {
      file["images"].push_back({{"id", v}, {"file_name", name + ".jpg"}});
      file["annotations"].push_back({{"image_id", v}, {"segmentation", mask}});
    }
  }
  return file.dump();
}

// Writes a small dataset of the kinds that samples/ has no example of.
void WriteSamples(const TempDir& folder) {
  const std::string picture = JpegBytes(MakePicture(2, 2));
  for (const std::string name : {"1", "2"}) {
    folder.Write("coco/train/" + name + ".jpg", picture);
    for (const char* frame : {"/0.jpg", "/1.jpg"}) {
      folder.Write("ytvis/train/JPEGImages/" + name + frame, picture);
      folder.Write("ovis/train/" + name + frame, picture);
    }
  }
  folder.Write("coco/annotations/instances_train.json", AnnotationFile(false));
  folder.Write("ytvis/train/instances.json", AnnotationFile(true));
  folder.Write("ovis/annotations_train.json", AnnotationFile(true));
  folder.Write("movi/movi_e-train-000000.tar",
               TarBytes({{"0.video.npy", NpyBytes({2, 2, 2, 3}, std::string(24, 'x'))},
                         {"1.video.npy", NpyBytes({2, 2, 2, 3}, std::string(24, 'y'))}}));
}

TEST(DatasetTable, EveryRowReadsASample) {
  const TempDir folder;
  WriteSamples(folder);
  const std::string frames = "samples/moving_solids/JPEGImages/128p";
  struct Sample {
    const char* kind;
    std::string path;
    int64_t videos, frames;
  };
  const std::vector<Sample> samples = {{"coco", folder.File("coco"), 2, 1},
                                       {"davis", "samples/moving_solids", 2, 8},
                                       {"frames", frames, 2, 8},
                                       {"images", frames + "/0212", 8, 1},
                                       {"movi", folder.File("movi"), 2, 2},
                                       {"ovis", folder.File("ovis"), 2, 2},
                                       {"video", "samples/cups.mp4", 1, 72},
                                       {"ytvis", folder.File("ytvis"), 2, 2}};
  for (const DatasetRow& row : DatasetTable()) {
    const auto sample = std::find_if(samples.begin(), samples.end(), [&](const Sample& s) {
      return s.kind == std::string(row.name);
    });
    ASSERT_NE(sample, samples.end()) << row.name << " has no sample";
    config::DatasetConfig config = Config(row.name, sample->path);
    config.set_held_out_videos(0);
    const auto dataset = OpenDataset(config);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_EQ((*dataset)->num_videos(), sample->videos) << row.name;
    EXPECT_EQ(CountFrames(**dataset, 0), sample->frames) << row.name;
  }
}

TEST(OpenDataset, UnknownKindListsTheRows) {
  const absl::Status status = OpenDataset(Config("pascal", "samples")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "dataset kind 'pascal' is unknown; there are: coco, davis, movi, ovis, ytvis, frames, "
            "images, video");
}

TEST(OpenDataset, EveryTakesTheFirstOfSoManyVideos) {
  const TempDir root;
  for (const std::string name : {"a", "b", "c", "d"}) {
    std::filesystem::create_directories(root.File(name));
    for (const std::string frame : {"/0.png", "/1.png"}) {
      root.Write(name + frame, PngBytes(MakePicture(8, 8, name[0] + frame[1])));
    }
  }
  const auto all = OpenDataset(Config("frames", root.path())).value();
  ASSERT_EQ(all->num_videos(), 4);
  config::DatasetConfig config = Config("frames", root.path());
  config.set_every(3);
  const auto some = OpenDataset(config).value();
  ASSERT_EQ(some->num_videos(), 2);
  EXPECT_EQ(some->video_name(1), all->video_name(3));
  EXPECT_EQ(some->ContentKey(1).value(), all->ContentKey(3).value());
  EXPECT_EQ(CountFrames(*some, 1), 2);
  config.set_every(0);
  EXPECT_THAT(std::string(OpenDataset(config).status().message()), HasSubstr("every is 0"));
}

TEST(OpenDataset, MissingPathIsNotFound) {
  const absl::Status status = OpenDataset(Config("frames", "samples/nothing")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'samples/nothing' does not exist"));
}

}  // namespace
}  // namespace slotmatch
