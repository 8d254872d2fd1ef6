#include "server/trace/tracer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

FrameTrace Frame(uint64_t id, absl::Time arrived) {
  FrameTrace frame;
  frame.frame_id = id;
  frame.times.arrived = arrived;
  return frame;
}

TEST(TracerTest, KeepsWhatArrivedSinceTheStartUpToItsBound) {
  Tracer tracer;
  tracer.Record(Frame(1, absl::Now()));  // nobody asked
  const absl::Time before = absl::Now() - absl::Seconds(1);
  ASSERT_THAT(tracer.Start(2), IsOk());
  tracer.Record(Frame(2, before));
  for (uint64_t id = 3; id < 6; ++id) tracer.Record(Frame(id, absl::Now()));
  const auto recording = tracer.Stop();
  ASSERT_THAT(recording, IsOk());
  ASSERT_EQ(recording->frames.size(), 2u);
  EXPECT_EQ(recording->frames[0].frame_id, 3u);
  EXPECT_EQ(recording->not_recorded, 1);
  ASSERT_THAT(tracer.Start(1), IsOk());
  EXPECT_TRUE(tracer.Stop()->frames.empty());
}

TEST(TracerTest, StartsAndStopsInTurn) {
  Tracer tracer;
  EXPECT_THAT(tracer.Stop(), FailsWith(absl::StatusCode::kFailedPrecondition, "no trace"));
  EXPECT_THAT(tracer.Start(0), FailsWith(absl::StatusCode::kInvalidArgument, "max_frames is 0"));
  EXPECT_THAT(tracer.Start(Tracer::kMaxFrames + 1),
              FailsWith(absl::StatusCode::kInvalidArgument, "max"));
  EXPECT_FALSE(tracer.recording());
  ASSERT_THAT(tracer.Start(1), IsOk());
  EXPECT_TRUE(tracer.recording());
  EXPECT_THAT(tracer.Start(1), FailsWith(absl::StatusCode::kFailedPrecondition, "stop it first"));
}

}  // namespace
}  // namespace slotmatch
