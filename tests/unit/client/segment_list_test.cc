#include "client/segment_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

using testing::HasSubstr;

TEST(ParseShardTest, TakesAnIndexBelowTheCount) {
  const auto shard = ParseShard("2/3");
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->index, 2);
  EXPECT_EQ(shard->count, 3);
}

TEST(ParseShardTest, RefusesEverythingElseAndSaysWhatWouldBeRight) {
  for (const char* text : {"", "3/3", "-1/3", "0/0", "1", "1/2/3", "a/b", "0/-1", "1/"}) {
    const auto shard = ParseShard(text);
    EXPECT_EQ(shard.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(shard.status().message(), HasSubstr("0 <= I < N")) << text;
  }
}

TEST(ParseVideoListTest, NumbersSourcesAndLeavesOutCommentsAndEmptyLines) {
  const auto videos = ParseVideoList("# clips\na/cat.mp4\n\n  b/cat.mp4\r\nframes/\n");
  ASSERT_EQ(videos.size(), 3);
  EXPECT_EQ(videos[0].source, "a/cat.mp4");
  EXPECT_EQ(videos[0].folder, "00000-cat");
  EXPECT_EQ(videos[1].source, "b/cat.mp4");
  EXPECT_EQ(videos[1].folder, "00001-cat");
  EXPECT_EQ(videos[2].number, 2);
  EXPECT_EQ(videos[2].folder, "00002-frames");
}

TEST(SegmentListTest, ListsThatAreMissingOrEmptyAndALackingFolderAreErrors) {
  const Connector never = [] { return absl::InternalError("no connection is wanted"); };
  ListOptions options;
  options.list = "/no/such/list";
  EXPECT_EQ(SegmentList(never, options).code(), absl::StatusCode::kInvalidArgument);
  options.segment.out = testing::TempDir() + "/results";
  EXPECT_EQ(SegmentList(never, options).code(), absl::StatusCode::kNotFound);
  options.list = "/dev/null";
  EXPECT_EQ(SegmentList(never, options).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace slotmatch
