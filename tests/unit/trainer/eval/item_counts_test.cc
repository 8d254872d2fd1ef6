#include "trainer/eval/item_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"

namespace slotmatch {
namespace {

constexpr ScoringRules kYtvis{}, kMovi{true, false}, kCoco{false, true};

void ExpectRefused(const LabelMap& truth, const LabelMap& prediction, const ScoringRules& rules,
                   const char* fragment) {
  const auto counts = ItemCounts::OfFrame(truth, prediction, 3, rules);
  EXPECT_EQ(counts.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(counts.status().message()), testing::HasSubstr(fragment));
}

LabelMap WithOverlap(LabelMap map) {
  map.labels[0] = kOverlapLabel;
  return map;
}

TEST(ItemCounts, RefusesWhatCannotBeScored) {
  ExpectRefused(Map(kGtA), Map("00/00"), kYtvis, "4 x 4");
  ExpectRefused(Map(kGtA), Map("0000/0000/0300/0000"), kYtvis, "slot 3");
  ExpectRefused(WithOverlap(Map(kGtA)), Map(kPredA), kYtvis, "overlap");
  ExpectRefused(WithOverlap(Map(kGtA)), Map(kPredA), kMovi, "overlap");
  ExpectRefused(WithOverlap(Map(kGtA)), Map(kPredA), {true, true}, "overlap");
  ExpectRefused({}, {}, kYtvis, "without pixels");
  LabelMap cut = Map(kGtA);
  cut.labels.pop_back();
  ExpectRefused(cut, Map(kPredA), kYtvis, "cannot be compared");
}

TEST(ItemCounts, RulesDecideWhetherEmptyFramesCount) {
  const LabelMap empty = Map(kAllZero);
  EXPECT_TRUE(ItemCounts::OfFrame(empty, empty, 3, kMovi)->counts_for_ari());
  EXPECT_FALSE(ItemCounts::OfFrame(empty, empty, 3, kYtvis)->counts_for_ari());
  // Objects that only overlap are annotated all the same.
  EXPECT_TRUE(ItemCounts::OfFrame(WithOverlap(empty), empty, 3, kCoco)->counts_for_ari());
}

TEST(ItemCounts, VideoIsTheSumOfItsFrames) {
  ItemCounts video(3, kYtvis);
  for (const char* prediction : {kGtA, kSwapped}) {
    video.Append(ItemCounts::OfFrame(Map(kGtA), Map(prediction), 3, kYtvis).value());
  }
  EXPECT_EQ(video.pixels().ObjectArea(1), 8);
  EXPECT_EQ(video.switches().count(), 2);
  EXPECT_DOUBLE_EQ(video.regions().Match()->jaccard, 0.5);
}

}  // namespace
}  // namespace slotmatch
