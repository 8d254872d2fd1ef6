#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slotmatch/data/example.pb.h"
#include "tests/support/dataset_files.h"
#include "tests/support/dataset_reading.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
constexpr int kMoviSide = 4;

data::Example MakeExample(int frames, uint8_t label) {
  data::Example example;
  auto& features = *example.mutable_features()->mutable_feature();
  for (int i = 0; i < frames; ++i) {
    features["video"].mutable_bytes_list()->add_value(
        PngBytes(MakePicture(kMoviSide, kMoviSide, i + 1)));
    std::vector<uint8_t> labels(kMoviSide * kMoviSide);
    labels[i] = label;
    features["segmentations"].mutable_bytes_list()->add_value(
        GrayPng(kMoviSide, kMoviSide, labels));
  }
  features["metadata/video_name"].mutable_bytes_list()->add_value("12");
  return example;
}

class TfdsTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open(const std::vector<data::Example>& examples) {
    std::vector<std::string> records;
    for (const data::Example& example : examples) records.push_back(example.SerializeAsString());
    Write(TfRecordBytes(records));
    return Open();
  }
  void Write(const std::string& bytes) {
    folder_.Write("movi_e-validation.tfrecord-00000-of-00001", bytes);
  }
  absl::StatusOr<std::unique_ptr<VideoDataset>> Open() {
    return OpenDataset(MakeDatasetConfig("movi", folder_.path(), "validation"));
  }
  TempDir folder_;
};

TEST_F(TfdsTest, ReadsFramesAndSegmentations) {
  const auto dataset = Open({MakeExample(2, 3), MakeExample(1, 200)});
  ASSERT_THAT(dataset, IsOk());
  ASSERT_EQ((*dataset)->num_videos(), 2);
  EXPECT_EQ((*dataset)->video_name(1), "movi_e-validation.tfrecord-00000-of-00001/1");
  EXPECT_TRUE((*dataset)->scoring_rules().counts_empty_frames);
  const auto frames = ReadVideo(**dataset, 0);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].image.rgb, MakePicture(kMoviSide, kMoviSide, 2).rgb);
  EXPECT_EQ(frames[1].labels.labels[1], 3);
  EXPECT_EQ(ReadVideo(**dataset, 1)[0].labels.labels[0], 200);
  EXPECT_TRUE(ReadVideo(**dataset, 0, false)[0].labels.labels.empty());
  EXPECT_NE(*(*dataset)->ContentKey(0), *(*dataset)->ContentKey(1));
}

TEST_F(TfdsTest, BrokenRecordsFailAloneAndAreNamed) {
  std::vector<data::Example> examples(6, MakeExample(2, 1));
  const auto lists = [&](int i, const char* name) {
    return (*examples[i].mutable_features()->mutable_feature())[name].mutable_bytes_list();
  };
  examples[1].mutable_features()->mutable_feature()->erase("video");
  lists(2, "segmentations")->mutable_value()->RemoveLast();
  lists(3, "video")->set_value(1, "no picture");
  lists(4, "segmentations")->set_value(1, GrayPng(2, 2, {0, 0, 0, 0}));
  lists(5, "segmentations")
      ->set_value(1, GrayPng(kMoviSide, kMoviSide, std::vector<uint8_t>(16, 255)));
  const auto dataset = Open(examples);
  ASSERT_THAT(dataset, IsOk());
  EXPECT_THAT(StatusOfVideo(**dataset, 0), IsOk());
  EXPECT_THAT(StatusOfVideo(**dataset, 1),
              FailsWith(StatusCode::kDataLoss, "00001/1: has no feature 'video'"));
  EXPECT_THAT(StatusOfVideo(**dataset, 2),
              FailsWith(StatusCode::kDataLoss, "has no 'segmentations' for each"));
  EXPECT_THAT(StatusOfVideo(**dataset, 3),
              FailsWith(StatusCode::kDataLoss, "neither a JPEG nor a PNG"));
  EXPECT_THAT(StatusOfVideo(**dataset, 4), FailsWith(StatusCode::kDataLoss, "differ in size"));
  EXPECT_THAT(StatusOfVideo(**dataset, 5), FailsWith(StatusCode::kDataLoss, "object 255"));
}

TEST_F(TfdsTest, DamagedFileKeepsItsSoundRecords) {
  const std::string record = MakeExample(1, 1).SerializeAsString();
  std::string file = TfRecordBytes({record, "\xff\xff no example"});
  file.back() ^= 1;
  Write(file + "tail");
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  ASSERT_EQ((*dataset)->num_videos(), 3);
  EXPECT_THAT(StatusOfVideo(**dataset, 0), IsOk());
  EXPECT_THAT(StatusOfVideo(**dataset, 1), FailsWith(StatusCode::kDataLoss, "checksum is wrong"));
  EXPECT_THAT(StatusOfVideo(**dataset, 2), FailsWith(StatusCode::kDataLoss, "is cut short"));
  Write(TfRecordBytes({"\xff\xff no example"}));
  EXPECT_THAT(StatusOfVideo(**Open(), 0),
              FailsWith(StatusCode::kDataLoss, "is no tf.train.Example"));
}

}  // namespace
}  // namespace slotmatch
