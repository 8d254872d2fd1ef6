#include "core/engine/degrade_ladder.h"

#include <gtest/gtest.h>

#include <vector>

namespace slotmatch {
namespace {

// Targets: class 0 100 ms, class 1 none. Intervals of 1 s, 2 calm ones.
class DegradeLadderTest : public testing::Test {
 protected:
  DegradeLadderTest() {
    policy_.classes.resize(2);
    policy_.classes[0].target_wait = absl::Milliseconds(100);
    config_.set_calm_intervals(2);
    config_.set_max_bridged_frames(4);
    Restart();
  }
  void Restart() { ladder_ = std::make_unique<DegradeLadder>(config_, &policy_, now_); }
  // One interval in which frames of class 0 waited so long.
  void Interval(std::vector<int> waits_ms, bool waiting = true) {
    for (const int wait : waits_ms) ladder_->Waited(0, absl::Milliseconds(wait));
    now_ += absl::Seconds(1);
    ladder_->Update(now_, waiting);
  }
  void Intervals(int count, int wait_ms) {
    for (int i = 0; i < count; ++i) Interval({wait_ms});
  }
  int level() const { return static_cast<int>(ladder_->load().level); }

  SchedulePolicy policy_;
  config::DegradeConfig config_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  std::unique_ptr<DegradeLadder> ladder_;
};

TEST_F(DegradeLadderTest, OneRungUpPerIntervalOfOverload) {
  const Load expected[] = {{LoadLevel::kLargerBatches, 0}, {LoadLevel::kBridgedFrames, 1},
                           {LoadLevel::kNoNewSessions, 1}, {LoadLevel::kNoNewSessions, 2},
                           {LoadLevel::kNoNewSessions, 4}, {LoadLevel::kNoNewSessions, 4}};
  EXPECT_EQ(ladder_->load(), Load());
  for (const Load& load : expected) {
    Interval({150, 30, 400});
    EXPECT_EQ(ladder_->load(), load);
  }
}

TEST_F(DegradeLadderTest, OverloadIsWhenMostFramesWaitTooLong) {
  for (int i = 0; i < 5; ++i) Interval({5000, 5000, 90, 100});
  EXPECT_EQ(level(), 0);
  Interval({101, 101, 90});
  EXPECT_EQ(level(), 1);
}

TEST_F(DegradeLadderTest, CalmIsWhenNineOfTenWaitLessThanHalf) {
  Intervals(1, 200);
  for (int i = 0; i < 5; ++i) Interval({10, 10, 10, 10, 10, 10, 10, 10, 60, 60});
  EXPECT_EQ(level(), 1);
  for (int i = 0; i < 2; ++i) Interval({10, 10, 10, 10, 10, 10, 10, 10, 10, 60});
  EXPECT_EQ(level(), 0);
}

TEST_F(DegradeLadderTest, ClassWithoutTargetMayWait) {
  for (int i = 0; i < 5; ++i) {
    ladder_->Waited(1, absl::Minutes(1));
    Interval({});
  }
  EXPECT_EQ(level(), 0);
}

TEST_F(DegradeLadderTest, OneRungDownAfterCalmIntervals) {
  Intervals(3, 200);
  EXPECT_EQ(level(), 3);
  EXPECT_EQ(ladder_->TimeToRecover(), absl::Seconds(2));
  Intervals(1, 49);
  EXPECT_EQ(level(), 3);
  EXPECT_EQ(ladder_->TimeToRecover(), absl::Seconds(1));
  Intervals(1, 49);
  EXPECT_EQ(level(), 2);
  Intervals(4, 49);
  EXPECT_EQ(level(), 0);
}

TEST_F(DegradeLadderTest, BetweenHalfAndTheWholeTargetNothingMoves) {
  Intervals(2, 200);
  Intervals(20, 75);
  EXPECT_EQ(level(), 2);
  for (int i = 0; i < 10; ++i) {
    Interval({49});
    Interval({51});
  }
  EXPECT_EQ(level(), 2) << "calm intervals in a row";
}

TEST_F(DegradeLadderTest, RelapseDoublesTheWayDown) {
  Intervals(1, 200);
  const int expected[] = {2, 4, 8, 16, 16};  // up to 8 times the 2 configured
  for (const int calm : expected) {
    Intervals(calm - 1, 10);
    EXPECT_EQ(level(), 1) << calm;
    Intervals(1, 10);
    EXPECT_EQ(level(), 0) << calm;
    Intervals(1, 200);
    EXPECT_EQ(level(), 1);
  }
}

TEST_F(DegradeLadderTest, LastingRecoveryIsForgiven) {
  Intervals(1, 200);
  Intervals(2, 10);
  Intervals(1, 200);  // a relapse: 4 intervals now
  Intervals(4, 10);
  ASSERT_EQ(level(), 0);
  Intervals(4, 10);
  Intervals(1, 200);
  ASSERT_EQ(level(), 1);
  Intervals(2, 10);
  EXPECT_EQ(level(), 0);
}

TEST_F(DegradeLadderTest, SilenceRecoversUnlessFramesWait) {
  Intervals(3, 200);
  for (int i = 0; i < 10; ++i) Interval({}, /*waiting=*/true);
  EXPECT_EQ(level(), 3) << "the model hangs: that is not calm";
  now_ += absl::Hours(10);
  ladder_->Update(now_, /*waiting=*/false);
  EXPECT_EQ(level(), 0);
}

TEST_F(DegradeLadderTest, WithoutBridgingTheRungIsLeftOut) {
  config_.set_max_bridged_frames(0);
  Restart();
  Intervals(1, 200);
  EXPECT_EQ(level(), 1);
  Intervals(5, 200);
  EXPECT_EQ(ladder_->load(), (Load{LoadLevel::kNoNewSessions, 0}));
}

TEST_F(DegradeLadderTest, MayBeOff) {
  config_.set_enabled(false);
  Restart();
  Intervals(10, 1000);
  EXPECT_EQ(level(), 0);
}

}  // namespace
}  // namespace slotmatch
