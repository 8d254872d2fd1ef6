#include "tests/soak/series.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

// 100 samples, 1000 frames apart: memory fills in the first fifth, then swings by 1 MB and grows by
// `per_frame` bytes.
std::vector<Sample> Series(double per_frame) {
  std::mt19937 random(1);
  std::vector<Sample> samples;
  for (int i = 0; i < 100; ++i) {
    Sample s;
    s.frames = i * 1000;
    const int64_t fill = int64_t{std::min(i, 20)} << 22;
    s.rss_bytes = (int64_t{100} << 20) + fill + static_cast<int64_t>(per_frame * s.frames) +
                  std::uniform_int_distribution<int>(0, 1 << 20)(random);
    s.fds = 20 + i % 3;
    s.threads = 8;
    samples.push_back(s);
  }
  return samples;
}

TEST(Judge, FlatAfterTheWarmUpIsFlat) {
  const auto verdict = Judge(Series(0), {});
  ASSERT_THAT(verdict, IsOk());
  EXPECT_THAT(verdict->status, IsOk()) << verdict->text;
  EXPECT_LT(std::abs(verdict->rss_bytes_per_frame), 4);
}

TEST(Judge, LeakOfAHundredBytesAFrameShowsThroughTheSwings) {
  const auto verdict = Judge(Series(100), {});
  ASSERT_THAT(verdict, IsOk());
  EXPECT_THAT(verdict->status, FailsWith(absl::StatusCode::kInternal, "grows: memory"));
  EXPECT_NEAR(verdict->rss_bytes_per_frame, 100, 4);
}

TEST(Judge, LeakedDescriptorsAndThreadsAreNamed) {
  std::vector<Sample> samples = Series(0);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i].fds += static_cast<int64_t>(i / 4);
    samples[i].threads += static_cast<int64_t>(i / 8);
  }
  EXPECT_THAT(Judge(samples, {})->status,
              FailsWith(absl::StatusCode::kInternal, "grows: file descriptors, threads"));
}

TEST(Judge, TooFewSamplesGiveNoVerdict) {
  EXPECT_THAT(Judge({Sample{}, Sample{}}, {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "only 2 samples"));
}

TEST(SampleProcess, SeesWhatThisProcessOpens) {
  const auto before = SampleProcess(getpid());
  ASSERT_THAT(before, IsOk());
  EXPECT_GT(before->rss_bytes, 1 << 20);
  EXPECT_GE(before->threads, 1);
  const int fd = open("/dev/null", O_RDONLY);
  EXPECT_EQ(SampleProcess(getpid())->fds, before->fds + 1);
  close(fd);
  EXPECT_THAT(SampleProcess(0), FailsWith(absl::StatusCode::kNotFound, "has ended"));
}

}  // namespace
}  // namespace slotmatch
