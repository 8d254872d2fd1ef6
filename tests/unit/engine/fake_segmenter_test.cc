#include "tests/support/fake_segmenter.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

// The fake only proves something if a frame out of order shows.
TEST(FakeSegmenter, OrderOfFramesShowsInTheSlots) {
  const FakeSegmenter fake;
  const std::vector<float> dark(192, 0.1f), bright(192, 0.9f);
  const auto run = [&](const std::vector<const std::vector<float>*>& frames) {
    StreamState state;
    for (const auto* pixels : frames) state = fake.StepOne({*pixels, &state}).next_state;
    return state.slots;
  };
  EXPECT_NE(run({&dark, &bright}), run({&bright, &dark}));
  EXPECT_NE(run({&dark, &bright}), run({&bright}));
  EXPECT_NE(run({&dark, &bright}), run({&dark, &dark, &bright}));
}

TEST(FakeSegmenter, MasksSumToOne) {
  const FakeSegmenter fake;
  const std::vector<float> pixels(192);
  const StreamState state;
  const StepOutput output = fake.StepOne({pixels, &state});
  for (int n = 0; n < 16; ++n) {
    EXPECT_NEAR(output.masks[n] + output.masks[16 + n] + output.masks[32 + n], 1, 1e-6);
  }
}

}  // namespace
}  // namespace slotmatch
