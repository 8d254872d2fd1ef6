#include "trainer/data/frame_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/base/files.h"
#include "tests/support/temp_dir.h"
#include "trainer/data/dataset_table.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

class FrameFolders : public testing::Test {
 protected:
  void Frame(const std::string& file) {
    fs::create_directories(fs::path(root_ + "/" + file).parent_path());
    fs::copy(fs::path("samples/moving_solids/JPEGImages/128p/0212/00000.jpg"), root_ + "/" + file);
  }
  std::string Labels(const std::string& file, const std::vector<uint8_t>& values) {
    const LabelMap map{static_cast<int>(values.size()), 1, values};
    EXPECT_TRUE(WriteFileAtomically(root_ + "/" + file, EncodePalettePng(map)).ok());
    return root_ + "/" + file;
  }
  config::DatasetConfig Config() const {
    config::DatasetConfig config;
    config.set_path(root_);
    return config;
  }
  const TempDir folder_;
  const std::string root_ = folder_.path();
};

TEST_F(FrameFolders, FolderOfFramesIsOneVideoAndFoldersBelowAreOthers) {
  Frame("b.jpg");
  Frame("a.JPG");
  Frame("clip/1.jpeg");
  std::ofstream(root_ + "/notes.txt") << "no frame";
  fs::create_directories(root_ + "/empty");
  const auto dataset = OpenFrames(Config());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->num_videos(), 2);
  EXPECT_EQ((*dataset)->video_name(0), fs::path(root_).filename().string());
  EXPECT_EQ((*dataset)->video_name(1), "clip");
  EXPECT_FALSE((*dataset)->has_labels());
}

TEST_F(FrameFolders, ImagesAreVideosOfOneFrame) {
  Frame("b.jpg");
  Frame("a.jpg");
  const auto dataset = OpenImages(Config()).value();
  EXPECT_EQ(dataset->num_videos(), 2);
  EXPECT_EQ(dataset->video_name(0), "a");
}

TEST_F(FrameFolders, NothingThereIsDataLossNamingTheFolder) {
  for (const auto open : {OpenFrames, OpenImages, OpenVideoFiles}) {
    const absl::Status status = open(Config()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(root_));
  }
}

std::vector<uint8_t> FirstLabels(const FrameFiles& files) {
  std::vector<uint8_t> labels;
  const FrameFileDataset dataset({files});
  const absl::Status status = dataset.ForEachFrame(0, true, [&](DatasetFrame frame) {
    labels = frame.labels.labels;
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return labels;
}

// 255 is the object of DAVIS 2016 and void in DAVIS 2017.
TEST_F(FrameFolders, Label255IsTheObjectOnlyWhereThereIsNoOther) {
  Frame("a.jpg");
  const std::string image = root_ + "/a.jpg";
  EXPECT_THAT(FirstLabels({"x", {image}, {Labels("1.png", {0, 255, 0})}}),
              testing::ElementsAre(0, 1, 0));
  EXPECT_THAT(FirstLabels({"x", {image}, {Labels("2.png", {2, 255, 0})}}),
              testing::ElementsAre(2, 0, 0));
}

TEST_F(FrameFolders, DamagedLabelsAreNamed) {
  Frame("a.jpg");
  std::ofstream(root_ + "/broken.png") << "not a png";
  const FrameFileDataset dataset({{"x", {root_ + "/a.jpg"}, {root_ + "/broken.png"}}});
  const auto ignore = [](DatasetFrame) { return absl::OkStatus(); };
  const absl::Status status = dataset.ForEachFrame(0, true, ignore);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("broken.png"));
  EXPECT_TRUE(dataset.ForEachFrame(0, false, ignore).ok());  // labels not asked for, not read
}

}  // namespace
}  // namespace slotmatch
