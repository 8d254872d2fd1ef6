#include "core/model/slots/slot_init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

std::shared_ptr<SlotInit> Make(const std::string& name, int64_t slots = 3, int64_t dim = 8) {
  for (const SlotInitRow& row : SlotInitTable()) {
    if (name == row.name) {
      torch::manual_seed(9);
      return row.make(slots, dim);
    }
  }
  return nullptr;
}

TEST(FixedLearnedInit, GivesEveryClipTheSameSlots) {
  const auto init = Make("fixed_learned");
  const torch::Tensor slots = init->forward(2, {});
  EXPECT_TRUE(torch::equal(slots[0], slots[1]));
  EXPECT_TRUE(torch::equal(slots, init->forward(2, torch::randn({2, 3, 8}))));
  EXPECT_THAT(init->named_parameters().keys(), testing::ElementsAre("slots"));
}

TEST(FixedLearnedInit, StartsWithTheReferencesSpread) {
  const torch::Tensor slots = Make("fixed_learned", 64, 64)->forward(1, {});
  EXPECT_NEAR(slots.std().item<double>(), 1.0 / 8, 0.005);
}

TEST(RandomInit, DrawsAnewAtEveryCallAlsoInEvaluation) {
  const auto init = Make("random");
  init->eval();
  const torch::Tensor first = init->forward(2, {});
  EXPECT_GT(MaxDifference(first, init->forward(2, {})), 0.01);
  EXPECT_GT(MaxDifference(first[0], first[1]), 0.01);
}

TEST(RandomInit, IsMeanPlusNoiseTimesSpread) {
  torch::NoGradGuard no_grad;
  const auto init = Make("random");
  auto parameters = init->named_parameters();
  EXPECT_EQ(parameters["mean"].abs().max().item<float>(), 0.0F);
  EXPECT_NEAR(parameters["log_std"][0][0][0].item<double>(), std::log(std::pow(8.0, -0.5)), 1e-6);
  parameters["mean"].fill_(2);
  parameters["log_std"].fill_(std::log(3.0));
  const torch::Tensor noise = torch::randn({2, 3, 8});
  EXPECT_LT(MaxDifference(init->forward(2, noise), 2 + 3 * noise), 1e-5);
}

TEST(RandomInit, ShapeErrorNamesLettersAndSizes) {
  EXPECT_THAT(MessageThrownBy([] {
                Make("random")->forward(2, torch::zeros({1, 3, 8}));
              }),
              testing::HasSubstr("slot noise: expected [B=2, K=3, S=8], got [1, 3, 8]"));
}

TEST(SlotInitTable, EveryRowBuildsAndRuns) {
  for (const SlotInitRow& row : SlotInitTable()) {
    SCOPED_TRACE(row.name);
    const torch::Tensor slots = row.make(3, 8)->forward(2, {});
    EXPECT_EQ(slots.sizes().vec(), (std::vector<int64_t>{2, 3, 8}));
    EXPECT_TRUE(slots.isfinite().all().item<bool>());
  }
}

TEST(SlotInitTable, RowsSayWhetherNoiseChangesAnything) {
  for (const SlotInitRow& row : SlotInitTable()) {
    const auto init = row.make(3, 8);
    const torch::Tensor zeros = torch::zeros({2, 3, 8}), ones = torch::ones({2, 3, 8});
    EXPECT_NE(torch::equal(init->forward(2, zeros), init->forward(2, ones)), row.takes_noise)
        << row.name;
  }
}

}  // namespace
}  // namespace slotmatch
