#include "trainer/eval/track_counts.h"

#include <gtest/gtest.h>

#include "tests/unit/trainer/eval/maps.h"

namespace slotmatch {
namespace {

TEST(TrackCounts, SlotsThatSwapKeepTheirObjectsIds) {
  TrackCounts tracks;
  tracks.AddFrame(Count("1122", "0011"), {5, 6, 0});
  tracks.AddFrame(Count("1122", "1100"), {6, 5, 0});
  EXPECT_EQ(tracks.switches().count(), 0);
  EXPECT_EQ(tracks.pixels().num_slots(), 2);
  EXPECT_EQ(tracks.pixels().shared(1, 0), 4);
  EXPECT_EQ(tracks.pixels().shared(2, 1), 4);
}

TEST(TrackCounts, NewIdsGetColumnsAndSharedOnesAreOne) {
  TrackCounts tracks;
  tracks.AddFrame(Count("1111", "0011"), {9, 9, 0});
  EXPECT_EQ(tracks.pixels().shared(1, 0), 4);
  tracks.AddFrame(Count("1111", "0022"), {9, 0, 3});
  EXPECT_EQ(tracks.pixels().num_slots(), 2);
  EXPECT_EQ(tracks.pixels().shared(1, 0), 6);
  EXPECT_EQ(tracks.pixels().shared(1, 1), 2);
  EXPECT_EQ(tracks.switches().count(), 0);  // a tie keeps the track
}

TEST(TrackCounts, PixelsWithoutAnIdBelongToNoTrack) {
  TrackCounts tracks;
  tracks.AddFrame(Count("1111", "0011"), {4, 0, 0});
  EXPECT_EQ(tracks.pixels().shared(1, 0), 2);
  EXPECT_EQ(tracks.pixels().ObjectArea(1), 4);
}

}  // namespace
}  // namespace slotmatch
