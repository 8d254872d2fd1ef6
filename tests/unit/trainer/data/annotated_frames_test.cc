#include "trainer/data/annotated_frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/dataset_reading.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using nlohmann::json;

using absl::StatusCode;
constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr int kSide = 4;

json Rle(const std::vector<int>& counts) { return {{"size", {kSide, kSide}}, {"counts", counts}}; }

// Three COCO images: two objects that overlap and a crowd; none; a polygon.
class CocoTest : public testing::Test {
 protected:
  CocoTest() {
    for (const char* name : {"1", "2", "3"}) {
      folder_.Write(std::string("val2017/") + name + ".jpg", JpegBytes(MakePicture(kSide, kSide)));
      file_["images"].push_back({{"id", std::stoi(name)},
                                 {"file_name", std::string(name) + ".jpg"},
                                 {"width", kSide},
                                 {"height", kSide}});
    }
    file_["annotations"] = {
        {{"image_id", 1}, {"segmentation", Rle({0, 8, 8})}, {"iscrowd", 0}},
        {{"image_id", 1}, {"segmentation", Rle({0, 16})}, {"iscrowd", 1}},
        {{"image_id", 1}, {"segmentation", Rle({4, 8, 4})}, {"iscrowd", 0}},
        {{"image_id", 3}, {"segmentation", {{0, 0, 2, 0, 2, 2, 0, 2}}}, {"iscrowd", 0}},
    };
  }
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open() {
    folder_.Write("annotations/instances_val2017.json", file_.dump());
    return OpenDataset(MakeDatasetConfig("coco", folder_.path(), "val"));
  }
  TempDir folder_;
  json file_;
};

TEST_F(CocoTest, ReadsObjectsAndTheirOverlap) {
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ((*dataset)->num_videos(), 3);
  EXPECT_EQ((*dataset)->video_name(2), "3");
  EXPECT_TRUE((*dataset)->has_labels());
  EXPECT_TRUE((*dataset)->scoring_rules().ignores_overlaps);
  EXPECT_FALSE((*dataset)->scoring_rules().counts_empty_frames);
  const std::vector<uint8_t> row = {1, kOverlapLabel, 2, 0};
  std::vector<uint8_t> expected;
  for (int y = 0; y < kSide; ++y) expected.insert(expected.end(), row.begin(), row.end());
  EXPECT_EQ(ReadVideo(**dataset, 0)[0].labels.labels, expected);
  EXPECT_EQ(ReadVideo(**dataset, 1)[0].labels.labels, std::vector<uint8_t>(16));
  EXPECT_EQ(ReadVideo(**dataset, 2)[0].labels.labels[5], 1);
  EXPECT_TRUE(ReadVideo(**dataset, 0, false)[0].labels.labels.empty());
  EXPECT_NE(*(*dataset)->ContentKey(0), "");
}

TEST_F(CocoTest, BrokenImagesFailAloneAndAreNamed) {
  file_["images"].push_back({{"id", 4}, {"file_name", "gone.jpg"}});
  file_["images"][1]["width"] = kSide + 1;
  file_["annotations"][3]["segmentation"][0].push_back(1);
  file_["annotations"].push_back({{"image_id", 1}, {"bbox", {}}});
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  EXPECT_THAT(StatusOfVideo(**dataset, 0), FailsWith(StatusCode::kDataLoss, "1.jpg, object 3"));
  EXPECT_THAT(StatusOfVideo(**dataset, 1),
              FailsWith(StatusCode::kDataLoss, "is 4x4, its annotations say 5x4"));
  EXPECT_THAT(StatusOfVideo(**dataset, 2),
              FailsWith(StatusCode::kDataLoss, "3.jpg, object 1: a polygon has 9"));
  EXPECT_THAT(StatusOfVideo(**dataset, 3), FailsWith(kNotFound, "gone.jpg"));
}

TEST_F(CocoTest, MoreObjectsThanLabelsAreRefused) {
  for (int i = 0; i < 253; ++i) {
    file_["annotations"].push_back({{"image_id", 2}, {"segmentation", nullptr}});
  }
  file_["annotations"].push_back({{"image_id", 2}, {"segmentation", Rle({15, 1})}});
  EXPECT_EQ(ReadVideo(**Open(), 1)[0].labels.labels[15], 254);
  file_["annotations"].push_back({{"image_id", 2}, {"segmentation", nullptr}});
  EXPECT_THAT(StatusOfVideo(**Open(), 1),
              FailsWith(StatusCode::kDataLoss, "2 has 255 objects; at most 254 are supported"));
}

TEST_F(CocoTest, MissingPartsAreNotFound) {
  const auto open = [&](const std::string& split) {
    return OpenDataset(MakeDatasetConfig("coco", folder_.path(), split));
  };
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(open("train"), FailsWith(kNotFound, "annotations/instances_train.json is missing"));
  folder_.Write("annotations/instances_train2017.json", file_.dump());
  EXPECT_THAT(open("train"), FailsWith(kNotFound, "no folder of pictures 'train'"));
}

// Five YTVIS videos of two frames.
class YtvisTest : public testing::Test {
 protected:
  YtvisTest() {
    for (int v = 0; v < 5; ++v) {
      json video = {{"id", v + 1}, {"width", kSide}, {"height", kSide}};
      for (const char* frame : {"00000.jpg", "00005.jpg"}) {
        const std::string name = "clip" + std::to_string(v) + "/" + frame;
        video["file_names"].push_back(name);
        folder_.Write("train/JPEGImages/" + name, JpegBytes(MakePicture(kSide, kSide, v + 1)));
      }
      file_["videos"].push_back(video);
      file_["annotations"].push_back(
          {{"video_id", v + 1}, {"iscrowd", 0}, {"segmentations", {Rle({0, 4, 12}), nullptr}}});
    }
    file_["annotations"].push_back(
        {{"video_id", 1}, {"iscrowd", 0}, {"segmentations", {nullptr, Rle({8, 8})}}});
  }
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open(const std::string& split) {
    folder_.Write("train/instances.json", file_.dump());
    config_ = MakeDatasetConfig("ytvis", folder_.path(), split);
    config_.set_held_out_videos(2);
    return OpenDataset(config_);
  }
  TempDir folder_;
  json file_;
  config::DatasetConfig config_;
};

TEST_F(YtvisTest, CutsTheLastVideosOffForValidation) {
  const auto names = [&](const std::string& split) {
    const auto dataset = Open(split);
    EXPECT_THAT(dataset, IsOk());
    std::vector<std::string> found;
    for (int64_t v = 0; v < (*dataset)->num_videos(); ++v) {
      found.push_back((*dataset)->video_name(v));
    }
    return found;
  };
  EXPECT_THAT(names("train"), testing::ElementsAre("clip0", "clip1", "clip2"));
  EXPECT_THAT(names("validation"), testing::ElementsAre("clip3", "clip4"));
  EXPECT_EQ(names("train_all").size(), 5u);
}

TEST_F(YtvisTest, KeepsIdsOverFrames) {
  const auto dataset = Open("train");
  ASSERT_THAT(dataset, IsOk());
  const auto frames = ReadVideo(**dataset, 0);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].labels.labels[0], 1);
  EXPECT_EQ(frames[0].labels.labels[3], 0);
  EXPECT_EQ(frames[1].labels.labels[0], 0);
  EXPECT_EQ(frames[1].labels.labels[3], 2);
  EXPECT_FALSE((*dataset)->scoring_rules().ignores_overlaps);
}

TEST_F(YtvisTest, OvisLiesElsewhere) {
  TempDir ovis;
  for (const json& video : file_["videos"]) {
    for (const std::string name : video["file_names"]) {
      ovis.Write("train/" + name, JpegBytes(MakePicture(kSide, kSide)));
    }
  }
  ovis.Write("annotations_train.json", file_.dump());
  const auto dataset = OpenDataset(MakeDatasetConfig("ovis", ovis.path(), "train_all"));
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ(ReadVideo(**dataset, 4).size(), 2u);
}

TEST_F(YtvisTest, UnlabelledSplitHasNoLabels) {
  folder_.Write("valid/JPEGImages/a/0.jpg", JpegBytes(MakePicture(kSide, kSide)));
  folder_.Write("valid/instances.json",
                R"({"videos": [{"id": 1, "file_names": ["a/0.jpg"]}], "annotations": null})");
  const auto dataset = Open("valid");
  ASSERT_THAT(dataset, IsOk());
  EXPECT_FALSE((*dataset)->has_labels());
  EXPECT_TRUE(ReadVideo(**dataset, 0)[0].labels.labels.empty());
}

TEST_F(YtvisTest, NamesWhatIsMissing) {
  file_["annotations"][1]["segmentations"].erase(0);
  EXPECT_THAT(
      StatusOfVideo(**Open("train"), 1),
      FailsWith(StatusCode::kDataLoss, "\"segmentations\" needs one entry for each of 2 frames"));
  EXPECT_THAT(Open("test"), FailsWith(kNotFound, "test/instances.json is missing"));
  config_.set_split("train");
  config_.set_held_out_videos(300);
  EXPECT_THAT(OpenDataset(config_),
              FailsWith(StatusCode::kDataLoss, "none is left for split 'train'"));
  config_.set_annotations("my.json");
  EXPECT_THAT(OpenDataset(config_), FailsWith(kNotFound, "my.json is missing"));
}

}  // namespace
}  // namespace slotmatch
