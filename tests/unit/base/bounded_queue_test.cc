#include "core/base/bounded_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kMoment = absl::Milliseconds(30);

TEST(BoundedQueue, GivesItemsBackInOrder) {
  BoundedQueue<int> queue(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.Push(i));
  EXPECT_EQ(queue.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.Pop(), i);
}

TEST(BoundedQueue, TryPushRefusesWhenFullAndKeepsTheItem) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.TryPush(first));
  EXPECT_EQ(first, nullptr);
  EXPECT_FALSE(queue.TryPush(second));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(BoundedQueue, PushWaitsForRoom) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.Push(1));
  absl::Notification pushed;
  std::thread producer([&] {
    EXPECT_TRUE(queue.Push(2));
    pushed.Notify();
  });
  EXPECT_FALSE(pushed.WaitForNotificationWithTimeout(kMoment));
  EXPECT_EQ(queue.Pop(), 1);
  pushed.WaitForNotification();
  EXPECT_EQ(queue.Pop(), 2);
  producer.join();
}

TEST(BoundedQueue, PopWaitsForAnItem) {
  BoundedQueue<int> queue(1);
  absl::Notification popped;
  std::thread consumer([&] {
    EXPECT_EQ(queue.Pop(), 7);
    popped.Notify();
  });
  EXPECT_FALSE(popped.WaitForNotificationWithTimeout(kMoment));
  EXPECT_TRUE(queue.Push(7));
  consumer.join();
}

TEST(BoundedQueue, CloseRefusesPushesAndDrainsPops) {
  BoundedQueue<int> queue(4);
  ASSERT_TRUE(queue.Push(1));
  queue.Close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.Push(2));
  int item = 3;
  EXPECT_FALSE(queue.TryPush(item));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueue, CloseWakesWaiters) {
  BoundedQueue<int> empty(1), full(1);
  ASSERT_TRUE(full.Push(1));
  std::thread popper([&] { EXPECT_EQ(empty.Pop(), std::nullopt); });
  std::thread pusher([&] { EXPECT_FALSE(full.Push(2)); });
  absl::SleepFor(kMoment);
  empty.Close();
  full.Close();
  popper.join();
  pusher.join();
}

TEST(BoundedQueue, LosesAndRepeatsNothingBetweenThreads) {
  constexpr int kProducers = 3, kItems = 200;
  BoundedQueue<int> queue(4);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) EXPECT_TRUE(queue.Push(p * kItems + i));
    });
  }
  std::vector<int> seen(kProducers * kItems, 0);
  std::vector<int> last(kProducers, -1);
  for (int i = 0; i < kProducers * kItems; ++i) {
    const int item = queue.Pop().value();
    ++seen[item];
    EXPECT_GT(item, last[item / kItems]) << "one producer's items overtook each other";
    last[item / kItems] = item;
    EXPECT_LE(queue.size(), 4u);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(seen, std::vector<int>(kProducers * kItems, 1));
}

}  // namespace
}  // namespace slotmatch
