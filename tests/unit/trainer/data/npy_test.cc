#include "trainer/data/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dataset_files.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

using absl::StatusCode;

TEST(ParseNpyHeader, ReadsWhatNumpyWrites) {
  const std::string file = NpyBytes({2, 3, 4, 3}, std::string(72, 'x'));
  const auto header = ParseNpyHeader(file);
  ASSERT_THAT(header, IsOk());
  EXPECT_THAT(header->shape, ElementsAre(2, 3, 4, 3));
  EXPECT_EQ(file.size() - header->bytes, 72u);
  EXPECT_EQ(header->bytes % 64, 0u);
  EXPECT_THAT(ParseNpyHeader(NpyBytes({}, "x"))->shape, ElementsAre());
  EXPECT_THAT(ParseNpyHeader(NpyBytes({0, 7}, ""))->shape, ElementsAre(0, 7));
}

TEST(ParseNpyHeader, NamesWhatItCannotTake) {
  EXPECT_THAT(ParseNpyHeader(NpyBytes({2}, "xx", "|u1", true)),
              FailsWith(StatusCode::kDataLoss, "Fortran order"));
  EXPECT_THAT(ParseNpyHeader(NpyBytes({2}, "xx", "<f4")),
              FailsWith(StatusCode::kDataLoss, "dtype '<f4', not '|u1'"));
  EXPECT_THAT(ParseNpyHeader(NpyBytes({-2}, "")),
              FailsWith(StatusCode::kDataLoss, "shape is none"));
  EXPECT_THAT(ParseNpyHeader(NpyBytes({1 << 30, 1 << 30, 1 << 30}, "")),
              FailsWith(StatusCode::kDataLoss, "shape is none"));
  EXPECT_THAT(ParseNpyHeader("PK\x03\x04 a zip of arrays"),
              FailsWith(StatusCode::kDataLoss, "not an npy"));
  EXPECT_THAT(ParseNpyHeader(NpyBytes({2}, "xx").substr(0, 40)),
              FailsWith(StatusCode::kDataLoss, "cut short"));
}

TEST(ParseNpyHeader, SurvivesEveryCut) {
  const std::string file = NpyBytes({2, 3}, "abcdef");
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(ParseNpyHeader(file.substr(0, length)).ok(), length >= file.size() - 6) << length;
  }
}

}  // namespace
}  // namespace slotmatch
