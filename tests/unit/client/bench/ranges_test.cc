#include "client/bench/ranges.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using Numbers = std::vector<double>;

TEST(ParseRange, TakesListsAndRanges) {
  EXPECT_EQ(ParseRange("fps", "5", 0).value(), (Numbers{5}));
  EXPECT_EQ(ParseRange("fps", "1,2.5,8", 0).value(), (Numbers{1, 2.5, 8}));
  EXPECT_EQ(ParseRange("fps", "2:4", 0).value(), (Numbers{2, 3, 4}));
  EXPECT_EQ(ParseRange("fps", "1,8:32:8", 0).value(), (Numbers{1, 8, 16, 24, 32}));
  EXPECT_EQ(ParseRange("fps", "1:4:2", 0).value(), (Numbers{1, 3}));
}

TEST(ParseRange, RefusesWhatIsNoRangeByItsOption) {
  for (const char* text : {"", ",", "a", "1,", "1:2:3:4", "4:2", "1:4:0", "1:4:-1", "nan", "1:1000",
                           "0:1e18", "0.5"}) {
    EXPECT_THAT(ParseRange("sessions", text, 1),
                FailsWith(absl::StatusCode::kInvalidArgument, "--sessions is '"))
        << text;
  }
}

}  // namespace
}  // namespace slotmatch
