#include "trainer/dist/process_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "tests/support/tiny_model.h"
#include "trainer/dist/launch.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);

ProcessPlace PlaceOf(int rank, int size, int port) {
  ProcessPlace place;
  place.rank = place.local_rank = rank;
  place.size = place.local_size = size;
  place.address = "127.0.0.1";
  place.port = port;
  return place;
}

// `work` as every member of a group, each in a thread of its own.
void RunTogether(int size, const std::function<void(ProcessGroup*)>& work) {
  const int port = FreePort().value();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([=] {
      const auto group = ProcessGroup::Join(PlaceOf(rank, size, port), kTimeout);
      ASSERT_TRUE(group.ok()) << group.status();
      EXPECT_EQ((*group)->rank(), rank);
      EXPECT_EQ((*group)->size(), size);
      work(group->get());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ProcessGroup, AloneChangesNothing) {
  ProcessGroup group;
  const torch::Tensor tensor = torch::ones({2});
  group.Sum(tensor);
  group.Mean({tensor});
  group.Broadcast({tensor});
  EXPECT_TRUE(torch::equal(tensor, torch::ones({2})));
  EXPECT_TRUE(group.Gather(tensor).is_same(tensor));
  EXPECT_TRUE(group.first());
}

TEST(ProcessGroup, SumsMeansAndBroadcasts) {
  RunTogether(3, [](ProcessGroup* group) {
    const auto rank = static_cast<double>(group->rank());
    const torch::Tensor sum = torch::full({2}, rank, torch::kFloat64);
    group->Sum(sum);
    EXPECT_TRUE(torch::equal(sum, torch::full({2}, 3.0, torch::kFloat64)));
    const torch::Tensor a = torch::full({2, 2}, rank), b = torch::full({3}, 2 * rank);
    group->Mean({a, b});
    EXPECT_TRUE(torch::equal(a, torch::ones({2, 2})));
    EXPECT_TRUE(torch::equal(b, torch::full({3}, 2.0)));
    const torch::Tensor steps = torch::full({1}, group->rank() + 5, torch::kInt64);
    const torch::Tensor strided = torch::full({4, 2}, rank).t();
    group->Broadcast({steps, strided});
    EXPECT_EQ(steps.item<int64_t>(), 5);
    EXPECT_TRUE(torch::equal(strided, torch::zeros({2, 4})));
  });
}

// The gradient of the sum of all processes' losses goes back to where each part came from.
TEST(ProcessGroup, GatheredPartsGetTheirGradients) {
  torch::manual_seed(3);
  const torch::Tensor all = torch::randn({4, 3}, torch::kFloat64).set_requires_grad(true);
  const torch::Tensor weights = torch::randn({2, 4, 3}, torch::kFloat64);
  const auto loss = [&](const torch::Tensor& slots, int rank) {
    return (slots.square() * weights[rank]).sum();
  };
  (loss(all, 0) + loss(all, 1)).backward();
  RunTogether(2, [&](ProcessGroup* group) {
    const torch::Tensor own =
        all.detach().narrow(0, group->rank() * 2, 2).clone().set_requires_grad(true);
    const torch::Tensor gathered = group->Gather(own);
    EXPECT_TRUE(torch::equal(gathered, all));
    loss(gathered, group->rank()).backward();
    EXPECT_LT(MaxDifference(own.grad(), all.grad().narrow(0, group->rank() * 2, 2)), 1e-12);
  });
}

TEST(ProcessGroup, OneThatLeavesIsNoticedAtOnce) {
  const absl::Time start = absl::Now();
  RunTogether(2, [](ProcessGroup* group) {
    if (group->rank() == 1) return;
    try {
      for (int i = 0; i < 100; ++i) group->Sum(torch::ones({1000}));
      ADD_FAILURE() << "nobody was missed";
    } catch (const ProcessLost& lost) {
      EXPECT_THAT(lost.what(), testing::HasSubstr("process 0 of 2 lost another one"));
    }
  });
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

TEST(ProcessGroup, NobodyThereIsUnavailable) {
  const auto group = ProcessGroup::Join(PlaceOf(1, 2, FreePort().value()), absl::Seconds(1));
  EXPECT_EQ(group.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(group.status().message()),
              testing::HasSubstr("process 1 of 2 cannot meet the others at 127.0.0.1:"));
}

}  // namespace
}  // namespace slotmatch
