#include "core/base/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(Version, TextNamesProgramVersionCommitAndLibraries) {
  EXPECT_THAT(Version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_FALSE(Commit().empty());
  const std::string text = VersionText("prog", "Library 1.2\n");
  for (const std::string& part :
       {std::string("prog"), Version(), Commit(), std::string("Library 1.2")}) {
    EXPECT_THAT(text, testing::HasSubstr(part));
  }
}

}  // namespace
}  // namespace slotmatch
