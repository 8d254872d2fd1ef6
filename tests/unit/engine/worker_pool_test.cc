#include "core/engine/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

TEST(WorkerPool, RunsEverythingSubmittedBeforeStop) {
  std::atomic<int> done{0};
  WorkerPool pool(3, 100);
  for (int i = 0; i < 100; ++i) ASSERT_THAT(pool.Submit([&] { ++done; }), IsOk());
  pool.Stop();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(pool.queued(), 0u);
}

TEST(WorkerPool, WorksOnSeveralThreadsAtOnce) {
  WorkerPool pool(3, 10);
  auto* barrier = new absl::Barrier(3);  // passes only when three are inside
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(pool.Submit([barrier] {
      if (barrier->Block()) delete barrier;
    }),
                IsOk());
  }
  pool.Stop();
}

TEST(WorkerPool, FullQueueRefusesAndKeepsWorking) {
  absl::Notification started, go;
  std::atomic<int> done{0};
  WorkerPool pool(1, 2);
  ASSERT_THAT(pool.Submit([&] {
    started.Notify();
    go.WaitForNotification();
  }),
              IsOk());
  started.WaitForNotification();
  for (int i = 0; i < 2; ++i) ASSERT_THAT(pool.Submit([&] { ++done; }), IsOk());
  EXPECT_EQ(pool.queued(), 2u);
  EXPECT_THAT(pool.Submit([&] { ++done; }), FailsWith(StatusCode::kResourceExhausted, "full"));
  go.Notify();
  pool.Stop();
  EXPECT_EQ(done, 2);
}

TEST(WorkerPool, RefusesAfterStop) {
  WorkerPool pool(1, 2);
  pool.Stop();
  pool.Stop();
  EXPECT_THAT(pool.Submit([] {}), FailsWith(StatusCode::kUnavailable, "stopped"));
}

TEST(WorkerPool, DestructorFinishesTheQueue) {
  std::atomic<int> done{0};
  {
    WorkerPool pool(2, 50);
    for (int i = 0; i < 50; ++i) ASSERT_THAT(pool.Submit([&] { ++done; }), IsOk());
  }
  EXPECT_EQ(done, 50);
}

}  // namespace
}  // namespace slotmatch
