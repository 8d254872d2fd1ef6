#include "core/nn/shape_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

namespace slotmatch {
namespace {

using testing::HasSubstr;

std::string Message(const torch::Tensor& tensor, std::initializer_list<Dim> dims) {
  try {
    CheckShape("tokens", tensor, dims);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

TEST(CheckShape, AcceptsAnySizeWhereNoneIsSaid) {
  EXPECT_EQ(Message(torch::zeros({2, 5, 8}), {{"B"}, {"N"}, {"D", 8}}), "");
}

TEST(CheckShape, NamesExpectedLettersAndActualSizes) {
  EXPECT_THAT(Message(torch::zeros({2, 5, 7}), {{"B"}, {"N", 5}, {"D", 8}}),
              HasSubstr("tokens: expected [B, N=5, D=8], got [2, 5, 7]"));
}

TEST(CheckShape, RefusesAnotherRank) {
  EXPECT_THAT(Message(torch::zeros({2, 8}), {{"B"}, {"N"}, {"D", 8}}),
              HasSubstr("expected [B, N, D=8], got [2, 8]"));
}

TEST(CheckShape, RefusesAnUndefinedTensor) {
  EXPECT_THAT(Message({}, {{"B"}}), HasSubstr("expected [B], got nothing"));
}

}  // namespace
}  // namespace slotmatch
