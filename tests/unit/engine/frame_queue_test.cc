#include "core/engine/frame_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

SourceFrame Frame(uint64_t id) {
  SourceFrame frame;
  frame.id = id;
  frame.bytes = "bytes";
  return frame;
}

TEST(FrameQueue, FramesLeaveInTheirOrderOnceDone) {
  FrameQueue queue(FramePolicy::kBlock, 0);
  const auto first = queue.Add(Frame(1)), second = queue.Add(Frame(2));
  second->phase = FramePhase::kDone;
  EXPECT_EQ(queue.TakeDone(), nullptr);
  first->phase = FramePhase::kDone;
  EXPECT_EQ(queue.TakeDone(), first);
  EXPECT_EQ(queue.TakeDone(), second);
  EXPECT_EQ(queue.TakeDone(), nullptr);
}

TEST(FrameQueue, DecodesOldestFirst) {
  FrameQueue queue(FramePolicy::kBlock, 0);
  const auto first = queue.Add(Frame(1)), second = queue.Add(Frame(2));
  EXPECT_EQ(queue.arrived(), 2);
  EXPECT_EQ(queue.TakeToDecode(), first);
  EXPECT_EQ(queue.arrived(), 1);
  EXPECT_EQ(queue.TakeToDecode(), second);
  EXPECT_EQ(queue.TakeToDecode(), nullptr);
}

TEST(FrameQueue, ComputesOneAtATimeInOrder) {
  FrameQueue queue(FramePolicy::kBlock, 0);
  const auto first = queue.Add(Frame(1)), second = queue.Add(Frame(2));
  second->phase = FramePhase::kDecoded;
  EXPECT_EQ(queue.TakeToCompute(), nullptr) << "the first is not decoded yet";
  first->phase = FramePhase::kDecoded;
  EXPECT_EQ(queue.TakeToCompute(), first);
  EXPECT_EQ(queue.TakeToCompute(), nullptr) << "one is being computed";
  first->phase = FramePhase::kFinishing;
  EXPECT_EQ(queue.TakeToCompute(), second);
}

TEST(FrameQueue, DroppedFramesLetGoOfTheirBytes) {
  FrameQueue queue(FramePolicy::kLatestOnly, 4);
  const auto arrived = queue.Add(Frame(1));
  const auto decoding = queue.Add(Frame(2));
  EXPECT_TRUE(arrived->source.bytes.empty());
  EXPECT_EQ(queue.TakeToDecode(), decoding);
  queue.Add(Frame(3));
  EXPECT_EQ(decoding->phase, FramePhase::kDone);
  EXPECT_EQ(decoding->source.bytes, "bytes") << "a worker reads them";
}

TEST(FrameQueue, FramesBeingComputedAreNeverDropped) {
  FrameQueue queue(FramePolicy::kLatestOnly, 1);
  const auto finishing = queue.Add(Frame(1));
  finishing->phase = FramePhase::kFinishing;
  const auto computing = queue.Add(Frame(2));
  computing->phase = FramePhase::kComputing;
  queue.Add(Frame(3));
  queue.Drop(computing, DropReason::kQueueFull);
  EXPECT_EQ(computing->phase, FramePhase::kComputing);
  EXPECT_EQ(finishing->phase, FramePhase::kFinishing);
  EXPECT_FALSE(computing->outcome.dropped.has_value());
}

TEST(FrameQueue, EveryReasonSaysSomething) {
  for (const DropReason reason : {DropReason::kQueueFull, DropReason::kSuperseded,
                                  DropReason::kDeadline, DropReason::kDraining}) {
    FrameOutcome outcome;
    MarkDropped(reason, &outcome);
    EXPECT_EQ(outcome.dropped, reason);
    EXPECT_THAT(outcome.result, FailsWith(absl::StatusCode::kAborted, "frame"));
  }
}

}  // namespace
}  // namespace slotmatch
