#include "core/base/text_table.h"

#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(TextTable, AlignsColumns) {
  EXPECT_EQ(AlignedTable({{"name", "n"}, {"a", "10"}, {"longer name"}}),
            "name         n\na            10\nlonger name\n");
  EXPECT_EQ(AlignedTable({}), "");
}

TEST(TextTable, MarkdownHasAHeader) {
  EXPECT_EQ(MarkdownTable({{"name", "n"}, {"a", "10"}}), "| name | n |\n|---|---|\n| a | 10 |\n");
  EXPECT_EQ(MarkdownTable({}), "");
}

}  // namespace
}  // namespace slotmatch
