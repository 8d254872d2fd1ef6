#include "core/base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

// What a Progress writes into a file (not a terminal).
template <typename F>
std::string Written(F work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

int64_t NumLines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST(Progress, WritesTheFirstUpdateAndTheEnd) {
  const std::string text = Written([] {
    Progress progress("train", "steps", 100);
    for (int i = 1; i <= 100; ++i) progress.Update(i, i == 100 ? "loss 0.71" : "");
    progress.Finish();
  });
  EXPECT_EQ(NumLines(text), 2) << text;
  EXPECT_THAT(text, HasSubstr("train  1/100 steps"));
  EXPECT_THAT(text, HasSubstr("100/100 steps"));
  EXPECT_THAT(text, HasSubstr("loss 0.71"));
  EXPECT_THAT(text, HasSubstr("ETA"));
  EXPECT_THAT(text, Not(HasSubstr("\r"))) << "no redrawing outside a terminal";
}

TEST(Progress, UnknownTotalHasNoShareAndNoEta) {
  const std::string text = Written([] {
    Progress progress("read", "frames", 0);
    progress.Update(5);
  });
  EXPECT_THAT(text, HasSubstr("read  5 frames"));
  EXPECT_THAT(text, Not(HasSubstr("/0")));
  EXPECT_THAT(text, Not(HasSubstr("ETA")));
}

TEST(Progress, FinishesOnce) {
  const std::string text = Written([] {
    Progress progress("x", "steps", 2);
    progress.Update(1);
    progress.Finish();
    progress.Finish();
    progress.Update(2);
  });
  EXPECT_EQ(NumLines(text), 2) << text;
}

TEST(Progress, WritesNothingWhenDisabledOrNothingWasDone) {
  EXPECT_EQ(Written([] {
              Progress progress("x", "steps", 2, /*enabled=*/false);
              progress.Update(1);
            }),
            "");
  EXPECT_EQ(Written([] { const Progress progress("x", "steps", 2); }), "");
}

}  // namespace
}  // namespace slotmatch
