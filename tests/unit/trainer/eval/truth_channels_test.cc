#include "trainer/eval/truth_channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr ScoringRules kYtvis{}, kMovi{true, false}, kCoco{false, true}, kBoth{true, true};

absl::StatusOr<LabelMap> Labels(const std::vector<uint8_t>& channels, int num_channels,
                                const ScoringRules& rules) {
  return LabelsFromChannels(channels, num_channels, 1, 3, rules);
}

void ExpectRefused(const absl::StatusOr<LabelMap>& labels, const char* fragment) {
  EXPECT_EQ(labels.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(labels.status().message()), HasSubstr(fragment));
}

TEST(LabelsFromChannels, NumbersObjectsFromOne) {
  EXPECT_THAT(Labels({1, 0, 0, 0, 0, 1}, 2, kYtvis)->labels, ElementsAre(1, 0, 2));
  EXPECT_THAT(Labels({0, 1, 0, 1, 0, 0, 0, 0, 1}, 3, kMovi)->labels, ElementsAre(1, 0, 2));
  EXPECT_THAT(Labels({}, 0, kYtvis)->labels, ElementsAre(0, 0, 0));
}

TEST(LabelsFromChannels, MarksOverlapsWhereTheyAreLeftOut) {
  EXPECT_THAT(Labels({1, 1, 0, 0, 1, 1}, 2, kCoco)->labels, ElementsAre(1, kOverlapLabel, 2));
}

// What the reference raises errors for.
TEST(LabelsFromChannels, RefusesWhatTheReferenceRefuses) {
  ExpectRefused(Labels({1, 1, 0, 0, 1, 1}, 2, kYtvis), "overlap at row 0, column 1");
  ExpectRefused(Labels({1, 1, 0, 0, 1, 1}, 2, kMovi), "overlap");
  ExpectRefused(Labels({1, 1, 0, 0, 1, 1}, 2, kBoth), "not one-hot: 2 channels");
  ExpectRefused(Labels({1, 0, 0, 0, 0, 1}, 2, kMovi), "not one-hot: 0 channels at row 0, column 1");
  ExpectRefused(Labels({1, 0, 2}, 1, kYtvis), "not binary");
  ExpectRefused(Labels({1, 0}, 1, kYtvis), "2 values");
  ExpectRefused(Labels(std::vector<uint8_t>(255 * 3, 0), 255, kYtvis), "254 objects");
}

TEST(LabelsFromChannels, HoldsAsManyObjectsAsLabels) {
  std::vector<uint8_t> channels(254 * 3, 0);
  channels[253 * 3] = 1;
  EXPECT_THAT(Labels(channels, 254, kYtvis)->labels, ElementsAre(254, 0, 0));
}

}  // namespace
}  // namespace slotmatch
