#include "trainer/data/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

// Video v has v % 5 + 1 frames of one pixel; every seventh breaks at its second frame. Reading
// takes a time of its own for each frame, so that workers overtake each other.
class SlowDataset : public VideoDataset {
 public:
  explicit SlowDataset(int64_t videos, int64_t frames = 0) : videos_(videos), frames_(frames) {}
  int64_t num_videos() const override { return videos_; }
  std::string video_name(int64_t video) const override { return absl::StrCat("v", video); }
  bool has_labels() const override { return false; }
  absl::Status ForEachFrame(int64_t video, bool, const Visitor& visit) const override {
    const int64_t count = frames_ > 0 ? frames_ : video % 5 + 1;
    for (int64_t i = 0; i < count; ++i) {
      if (video % 7 == 6 && i == 1) return absl::DataLossError("broken");
      absl::SleepFor(absl::Microseconds((video * 37 + i * 11) % 50));
      ++read_;
      const auto value = static_cast<uint8_t>(video * 10 + i);
      absl::Status status = visit({i, {1, 1, {value, value, value}}, {}});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> ContentKey(int64_t) const override { return std::string(); }
  int64_t frames_read() const { return read_; }

 private:
  int64_t videos_, frames_;
  mutable std::atomic<int64_t> read_ = 0;
};

// Everything that comes out, as text.
std::string Sequence(const VideoDataset& dataset, uint64_t seed, int workers) {
  ReadAhead reader(dataset, ShuffledOrder(dataset.num_videos(), seed), false, workers);
  std::string text;
  while (const auto item = reader.Next()) {
    if (item->frame.has_value()) {
      absl::StrAppend(&text, item->video, ":", item->frame->index, "=",
                      static_cast<int>(item->frame->image.rgb[0]), " ");
    } else {
      absl::StrAppend(&text, item->status.ok() ? "end " : "broken ");
    }
  }
  return text + absl::StrCat("skipped ", reader.skipped_videos());
}

TEST(ShuffledOrder, IsAPermutationThatTheSeedDecides) {
  std::vector<int64_t> order = ShuffledOrder(50, 1);
  EXPECT_EQ(order, ShuffledOrder(50, 1));
  EXPECT_NE(order, ShuffledOrder(50, 2));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(order[i], i);
  EXPECT_TRUE(ShuffledOrder(0, 1).empty());
}

TEST(ReadAhead, SequenceDoesNotDependOnTheWorkers) {
  const SlowDataset dataset(23);
  const std::string one = Sequence(dataset, 5, 1);
  EXPECT_EQ(Sequence(dataset, 5, 2), one);
  EXPECT_EQ(Sequence(dataset, 5, 4), one);
  EXPECT_EQ(Sequence(dataset, 5, 40), one);
  EXPECT_NE(Sequence(dataset, 6, 4), one);
}

TEST(ReadAhead, CountsBrokenVideos) {
  const SlowDataset dataset(14);
  EXPECT_THAT(Sequence(dataset, 1, 3), testing::EndsWith("skipped 2"));
}

TEST(ReadAhead, HoldsNoMoreThanItsBound) {
  const SlowDataset dataset(6, 100);
  ReadAhead reader(dataset, ShuffledOrder(6, 1), false, 2);
  ASSERT_TRUE(reader.Next().has_value());
  absl::SleepFor(absl::Milliseconds(100));
  // One is out; two videos have their queues full and a frame in hand.
  EXPECT_LE(dataset.frames_read(), 1 + 2 * (static_cast<int64_t>(ReadAhead::kFramesAhead) + 1));
}

TEST(ReadAhead, EndsWhereverItsReaderStops) {
  const SlowDataset dataset(40, 20);
  for (int taken = 0; taken < 60; taken += 7) {
    ReadAhead reader(dataset, ShuffledOrder(40, 3), false, 4);
    for (int i = 0; i < taken; ++i) ASSERT_TRUE(reader.Next().has_value());
  }
}

TEST(ReadAhead, NothingToReadEndsAtOnce) {
  const SlowDataset dataset(3);
  ReadAhead reader(dataset, {}, false, 2);
  EXPECT_FALSE(reader.Next().has_value());
}

}  // namespace
}  // namespace slotmatch
