#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/base/files.h"
#include "core/image/mask_codec.h"
#include "tests/support/dataset_reading.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kSolids[] = "samples/moving_solids";  // tests run in the source folder

config::DatasetConfig DavisConfig(const std::string& path, const std::string& split = "train") {
  return MakeDatasetConfig("davis", path, split);
}

TEST(Davis, ReadsTheSampleWithLabels) {
  const auto dataset = OpenDataset(DavisConfig(kSolids));
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->num_videos(), 2);
  EXPECT_EQ((*dataset)->video_name(0), "0212");
  EXPECT_TRUE((*dataset)->has_labels());
  for (int64_t video = 0; video < 2; ++video) {
    const std::vector<DatasetFrame> frames = ReadVideo(**dataset, video, true);
    ASSERT_EQ(frames.size(), 8u);
    std::set<int> objects;
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].index, static_cast<int64_t>(i));
      EXPECT_EQ(frames[i].image.rgb.size(),
                static_cast<size_t>(3 * frames[i].image.width * frames[i].image.height));
      EXPECT_EQ(frames[i].labels.width, frames[i].image.width);
      EXPECT_EQ(frames[i].labels.height, frames[i].image.height);
      objects.insert(frames[i].labels.labels.begin(), frames[i].labels.labels.end());
    }
    EXPECT_GE(objects.size(), 2u);
    EXPECT_EQ(objects.count(255), 0u);  // void became unlabelled
  }
}

TEST(Davis, ReadsTheSameBytesEveryTime) {
  const auto dataset = OpenDataset(DavisConfig(kSolids)).value();
  EXPECT_EQ(ReadVideo(*dataset, 1, false)[3].image.rgb, ReadVideo(*dataset, 1, false)[3].image.rgb);
  EXPECT_EQ(*dataset->ContentKey(0), *OpenDataset(DavisConfig(kSolids)).value()->ContentKey(0));
  EXPECT_NE(*dataset->ContentKey(0), *dataset->ContentKey(1));
  EXPECT_TRUE(ReadVideo(*dataset, 0, false)[0].labels.labels.empty());
}

TEST(Davis, VisitorsStatusEndsTheVideo) {
  const auto dataset = OpenDataset(DavisConfig(kSolids)).value();
  int seen = 0;
  const absl::Status status = dataset->ForEachFrame(0, false, [&](DatasetFrame) {
    return ++seen == 3 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(seen, 3);
}

TEST(Davis, MissingSplitIsNotFoundAndNamed) {
  const absl::Status status = OpenDataset(DavisConfig(kSolids, "test-dev")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("split 'test-dev' is not in"));
}

TEST(Davis, AnotherLayoutIsDataLoss) {
  const absl::Status status = OpenDataset(DavisConfig("samples")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not in DAVIS layout"));
}

// Copies of the sample that a test may change.
class DavisCopy : public testing::Test {
 protected:
  DavisCopy() {
    root_ = dir_.File("davis");
    fs::copy(kSolids, root_, fs::copy_options::recursive);
  }
  void WriteSplit(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(root_ + "/ImageSets/" + file).parent_path());
    std::ofstream(root_ + "/ImageSets/" + file) << text;
  }
  const TempDir dir_;
  std::string root_;
};

TEST_F(DavisCopy, TakesTheLatestYearAndPairsOfPaths) {
  fs::remove(root_ + "/ImageSets/train.txt");
  WriteSplit("2017/train.txt", "0212\n");
  WriteSplit("2016/train.txt", "0213\n");
  EXPECT_EQ(OpenDataset(DavisConfig(root_)).value()->video_name(0), "0212");
  fs::remove_all(root_ + "/ImageSets/2017");
  WriteSplit("2016/train.txt",
             "/JPEGImages/128p/0213/00000.jpg /Annotations/128p/0213/00000.png\r\n"
             "/JPEGImages/128p/0213/00001.jpg /Annotations/128p/0213/00001.png\r\n");
  const auto dataset = OpenDataset(DavisConfig(root_)).value();
  EXPECT_EQ(dataset->num_videos(), 1);
  EXPECT_EQ(dataset->video_name(0), "0213");
}

TEST_F(DavisCopy, WithoutSplitFilesEveryClipCounts) {
  fs::remove_all(root_ + "/ImageSets");
  EXPECT_EQ(OpenDataset(DavisConfig(root_)).value()->num_videos(), 2);
}

TEST_F(DavisCopy, MissingAnnotationFailsItsClipAlone) {
  fs::remove(root_ + "/Annotations/128p/0213/00004.png");
  const auto dataset = OpenDataset(DavisConfig(root_)).value();
  const absl::Status status = StatusOfVideo(*dataset, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("00004.png is missing"));
  EXPECT_TRUE(StatusOfVideo(*dataset, 1, false).ok());
  EXPECT_TRUE(StatusOfVideo(*dataset, 0).ok());
}

TEST_F(DavisCopy, WithoutMasksThereAreNoLabels) {
  fs::remove_all(root_ + "/Annotations");
  EXPECT_FALSE(OpenDataset(DavisConfig(root_)).value()->has_labels());
}

TEST_F(DavisCopy, ClipWithoutFramesFailsAlone) {
  fs::remove_all(root_ + "/JPEGImages/128p/0213");
  const auto dataset = OpenDataset(DavisConfig(root_)).value();
  const absl::Status status = StatusOfVideo(*dataset, 1, false);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("clip '0213' has no frames"));
  EXPECT_TRUE(StatusOfVideo(*dataset, 0, false).ok());
}

TEST_F(DavisCopy, DamagedFrameIsNamed) {
  fs::resize_file(root_ + "/JPEGImages/128p/0212/00002.jpg", 200);
  const auto dataset = OpenDataset(DavisConfig(root_)).value();
  const absl::Status status = StatusOfVideo(*dataset, 0, false);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("00002.jpg"));
}

TEST_F(DavisCopy, ContentKeyFollowsTheBytes) {
  const std::string before = *OpenDataset(DavisConfig(root_)).value()->ContentKey(0);
  std::ofstream(root_ + "/JPEGImages/128p/0212/00002.jpg", std::ios::app) << 'x';
  EXPECT_NE(*OpenDataset(DavisConfig(root_)).value()->ContentKey(0), before);
}

TEST_F(DavisCopy, EmptySplitAndUnknownClipAreRefused) {
  WriteSplit("train.txt", "\n");
  EXPECT_THAT(std::string(OpenDataset(DavisConfig(root_)).status().message()),
              HasSubstr("names no clip"));
  WriteSplit("train.txt", "0999\n");
  EXPECT_THAT(std::string(OpenDataset(DavisConfig(root_)).status().message()),
              HasSubstr("no clip of split 'train' has frames"));
}

TEST_F(DavisCopy, PrefersTheUnsupervisedMasksUnlessTold) {
  fs::copy(root_ + "/Annotations", root_ + "/Annotations_unsupervised",
           fs::copy_options::recursive);
  for (const auto& file : fs::directory_iterator(root_ + "/Annotations_unsupervised/128p/0212")) {
    const LabelMap map{128, 128, std::vector<uint8_t>(128 * 128, 9)};
    EXPECT_TRUE(WriteFileAtomically(file.path().string(), EncodePalettePng(map)).ok());
  }
  EXPECT_EQ(ReadVideo(*OpenDataset(DavisConfig(root_)).value(), 0, true)[0].labels.labels[0], 9);
  config::DatasetConfig config = DavisConfig(root_);
  config.set_annotations("Annotations");
  EXPECT_NE(ReadVideo(*OpenDataset(config).value(), 0, true)[0].labels.labels[0], 9);
  config.set_annotations("Masks");
  EXPECT_THAT(std::string(OpenDataset(config).status().message()), HasSubstr("'Masks'"));
}

TEST_F(DavisCopy, Prefers480p) {
  fs::copy(root_ + "/JPEGImages/128p", root_ + "/JPEGImages/Full-Resolution",
           fs::copy_options::recursive);
  fs::rename(root_ + "/JPEGImages/128p", root_ + "/JPEGImages/480p");
  fs::rename(root_ + "/Annotations/128p", root_ + "/Annotations/480p");
  EXPECT_TRUE(OpenDataset(DavisConfig(root_)).value()->has_labels());
}

TEST_F(DavisCopy, MaskValuesCanBeStated) {
  std::vector<uint8_t> labels(128 * 128, 0);
  labels[0] = 255;
  labels[1] = 3;
  for (const auto& file : fs::directory_iterator(root_ + "/Annotations/128p/0212")) {
    EXPECT_TRUE(
        WriteFileAtomically(file.path().string(), EncodePalettePng({128, 128, labels})).ok());
  }
  config::DatasetConfig config = DavisConfig(root_);
  const auto first = [&](config::DatasetConfig::MaskValues values) {
    config.set_mask_values(values);
    const LabelMap map = ReadVideo(*OpenDataset(config).value(), 0, true)[0].labels;
    return std::vector<uint8_t>(map.labels.begin(), map.labels.begin() + 3);
  };
  EXPECT_EQ(first(config::DatasetConfig::AUTO), (std::vector<uint8_t>{0, 3, 0}));
  EXPECT_EQ(first(config::DatasetConfig::INDEXED), (std::vector<uint8_t>{0, 3, 0}));
  EXPECT_EQ(first(config::DatasetConfig::BINARY), (std::vector<uint8_t>{1, 1, 0}));
}

}  // namespace
}  // namespace slotmatch
