// The trainer program's look at datasets.
#include <filesystem>

#include "core/image/image.h"
#include "tests/integration/programs.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

class DatasetCommandTest : public ::testing::Test {
 protected:
  ~DatasetCommandTest() override { RemoveUnlessFailed(folder_); }
  std::unique_ptr<Process> Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "dataset");
    return StartProgram("slotmatch_trainer", folder_ + "/log", arguments);
  }
  std::string folder_ = FreshFolder("dataset");
};

TEST_F(DatasetCommandTest, CheckReportsAndNamesBrokenVideos) {
  const std::string json = folder_ + "/report.json", copy = folder_ + "/solids";
  auto run = Run({"check", "--data", kSampleClips, "--json", json});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  nlohmann::json report = ReadJson(json);
  EXPECT_EQ(report["videos"], 2);
  EXPECT_EQ(report["frames"], 16);
  EXPECT_EQ(report["skipped"], nlohmann::json::array());

  fs::copy(kSampleClips, copy, fs::copy_options::recursive);
  fs::resize_file(copy + "/JPEGImages/128p/0213/00003.jpg", 100);
  run = Run({"check", "--data", copy, "--json", json});
  EXPECT_EQ(run->Wait(kRunPatience), 65) << run->Output();
  report = ReadJson(json);
  EXPECT_EQ(report["videos"], 1);
  EXPECT_EQ(report["skipped"][0]["name"], "0213");
}

TEST_F(DatasetCommandTest, ShowWritesASheet) {
  const std::string sheet = folder_ + "/sheet.png";
  const auto run =
      Run({"show", "--data", kSampleClips, "--out", sheet, "--columns", "3", "--seed", "4"});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  const auto info = ProbeImage(FileBytes(sheet));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->width, 2 * 240);  // frames 0 and 4 of 8
  EXPECT_EQ(info->height, 2 * 240);
}

TEST_F(DatasetCommandTest, ArgumentsAreChecked) {
  EXPECT_EQ(Run({"check"})->Wait(kRunPatience), 64);
  EXPECT_EQ(Run({"paint", "--data", kSampleClips})->Wait(kRunPatience), 64);
  EXPECT_EQ(Run({"show", "--data", kSampleClips, "--every", "0"})->Wait(kRunPatience), 64);
  EXPECT_EQ(Run({"check", "--data", folder_ + "/none"})->Wait(kRunPatience), 66);
  EXPECT_EQ(Run({"check", "--data", kSampleClips, "--set", "colour=red"})->Wait(kRunPatience), 78);
}

}  // namespace
}  // namespace slotmatch
