#include "trainer/eval/pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "core/base/files.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

constexpr int kWidth = 160, kHeight = 120;

StripFrame MakeFrame(bool with_truth, uint8_t gray = 100) {
  StripFrame frame;
  frame.image = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight * 3, gray)};
  frame.predictions = {{kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight, 1)}};
  if (with_truth) frame.truth = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight, 2)};
  return frame;
}

EncodedInfo InfoOf(const std::vector<StripFrame>& frames) {
  return ProbeImage(StripPng(frames)).value();
}

TEST(StripPng, IsOneColumnAFrameAndOneRowAKind) {
  const EncodedInfo one = InfoOf({MakeFrame(false)});
  const EncodedInfo three = InfoOf({MakeFrame(true), MakeFrame(true), MakeFrame(true)});
  EXPECT_EQ(one.format, EncodedInfo::Format::kPng);
  EXPECT_EQ(three.width, 3 * one.width);
  EXPECT_EQ(2 * three.height, 3 * one.height);  // source, prediction and truth
  StripFrame compared = MakeFrame(true);
  compared.predictions.push_back(compared.predictions[0]);
  EXPECT_EQ(InfoOf({compared}).height, 2 * one.height);
}

std::vector<int> Picked(int frames) {
  StripCollector collector;
  for (int i = 0; i < frames; ++i) {
    collector.Add(i, MakeFrame(true, static_cast<uint8_t>(i)));
  }
  std::vector<int> picked;
  for (const StripFrame& frame : collector.Columns()) picked.push_back(frame.image.rgb[0]);
  return picked;
}

TEST(StripCollector, SpreadsTheColumnsOverTheClip) {
  EXPECT_THAT(Picked(0), testing::IsEmpty());
  EXPECT_THAT(Picked(1), testing::ElementsAre(0));
  EXPECT_THAT(Picked(3), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(Picked(9), testing::ElementsAre(0, 2, 4, 6, 8));
  const std::vector<int> picked = Picked(100);
  ASSERT_EQ(picked.size(), 5u);
  for (size_t i = 1; i < picked.size(); ++i) EXPECT_GE(picked[i] - picked[i - 1], 12);
}

std::set<std::string> FilesIn(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(RankedPictures, KeepsTheBestAndTheWorst) {
  RankedPictures ranked(2, 1);
  const std::pair<double, const char*> clips[] = {{0.5, "c"}, {0.25, "b"}, {0.75, "d"}, {0, "a/a"}};
  for (const auto& [score, name] : clips) {
    EXPECT_TRUE(ranked.Wants(score));
    ranked.Add(score, name, std::string("png of ") + name);
  }
  EXPECT_FALSE(ranked.Wants(0.3));
  EXPECT_TRUE(ranked.Wants(0.6));
  EXPECT_TRUE(ranked.Wants(-0.1));
  const TempDir folder;
  ASSERT_TRUE(ranked.Write(folder.path(), "m/1").ok());
  EXPECT_THAT(FilesIn(folder.path()),
              testing::ElementsAre("m_1_best1_d_0.750.png", "m_1_best2_c_0.500.png",
                                   "m_1_worst1_a_a_0.000.png"));
  EXPECT_EQ(ReadFile(folder.File("m_1_best1_d_0.750.png")).value(), "png of d");
}

TEST(RankedPictures, WantsNothingWhenNoneAreAskedFor) {
  RankedPictures ranked(0, 0);
  EXPECT_FALSE(ranked.Wants(1));
  ranked.Add(1, "a", "b");
  const TempDir folder;
  EXPECT_TRUE(ranked.Write(folder.path(), "m").ok());
  EXPECT_THAT(FilesIn(folder.path()), testing::IsEmpty());
}

TEST(RankedPictures, SaysWhereItCannotWrite) {
  RankedPictures ranked(1, 0);
  ranked.Add(1, "a", "b");
  const TempDir folder;
  const absl::Status status = ranked.Write(folder.Write("file", "x"), "m");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(folder.path()));
}

}  // namespace
}  // namespace slotmatch
