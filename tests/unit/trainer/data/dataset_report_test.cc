#include "trainer/data/dataset_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/dataset_files.h"
#include "tests/support/dataset_reading.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

std::string Sample(int frames, const std::string& labels) {
  return NpyBytes({frames, 1, 2, 1}, labels);
}

TEST(ReportOn, CountsWhatIsThere) {
  TempDir folder;
  const std::string two(12, 'x'), one(6, 'x');
  folder.Write("movi_e-train-000000.tar",
               TarBytes({{"0.video.npy", NpyBytes({2, 1, 2, 3}, two)},
                         {"0.segmentations.npy", Sample(2, std::string("\0\1\7\1", 4))},
                         {"1.video.npy", NpyBytes({1, 1, 2, 3}, one)},
                         {"1.segmentations.npy", Sample(1, std::string("\0\0", 2))},
                         {"2.video.npy", NpyBytes({1, 1, 2, 3}, one)},
                         {"3.video.npy", "broken"}}));
  const auto dataset = OpenDataset(MakeDatasetConfig("movi", folder.path()));
  ASSERT_THAT(dataset, IsOk());
  const auto report = ReportOn(**dataset, 0, 2, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->videos, 3);
  EXPECT_EQ(report->frames, 4);
  EXPECT_EQ(report->labelled_frames, 3);
  EXPECT_EQ(report->sizes.at({2, 1}), 4);
  EXPECT_EQ(report->lengths, (std::map<int64_t, int64_t>{{1, 2}, {2, 1}}));
  EXPECT_EQ(report->objects, (std::map<int64_t, int64_t>{{0, 1}, {2, 1}}));
  EXPECT_EQ(report->min_label, 1);
  EXPECT_EQ(report->max_label, 7);
  EXPECT_EQ(report->background_pixels, 3);
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_EQ(report->skipped[0].first, "movi_e-train-000000/3");

  const std::string text = ToText(*report);
  EXPECT_THAT(text, HasSubstr("size              2x1 px: 4 frames\n"));
  EXPECT_THAT(text, HasSubstr("objects a video   min 0, mean 1.00, max 2\n"));
  EXPECT_THAT(text, HasSubstr("background        50.00 % of the pixels\n"));
  EXPECT_THAT(text, HasSubstr("skipped videos    1\n  movi_e-train-000000/3: "));
  const nlohmann::json json = nlohmann::json::parse(ToJson(*report));
  EXPECT_EQ(json["objects_per_video"]["histogram"]["2"], 1);
  EXPECT_EQ(json["frames_per_video"]["max"], 2);
  EXPECT_EQ(json["skipped"][0]["name"], "movi_e-train-000000/3");
  EXPECT_EQ(ReportOn(**dataset, 1, 2, nullptr)->videos, 1);
}

TEST(ReportOn, UnlabelledSampleHasNoObjects) {
  const auto dataset =
      OpenDataset(MakeDatasetConfig("frames", "samples/moving_solids/JPEGImages/128p"));
  const auto report = ReportOn(**dataset, 0, 2, nullptr);
  EXPECT_EQ(report->videos, 2);
  EXPECT_EQ(report->labelled_frames, 0);
  EXPECT_TRUE(report->objects.empty());
  EXPECT_EQ(ToText(*report).find("objects"), std::string::npos);
}

}  // namespace
}  // namespace slotmatch
