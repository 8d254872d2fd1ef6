#include "core/base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

absl::StatusOr<std::unique_ptr<int>> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return std::make_unique<int>(value / 2);
}

absl::StatusOr<int> Quarter(int value) {
  SM_ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(value));
  SM_ASSIGN_OR_RETURN(const std::unique_ptr<int> quarter, Half(*half));
  return *quarter;
}

absl::Status CountUntil(absl::Status status, int* reached) {
  *reached = 1;
  SM_RETURN_IF_ERROR(status);
  *reached = 2;
  return absl::OkStatus();
}

TEST(StatusMacros, AssignOrReturnTakesTheValueOrLeaves) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_THAT(Quarter(6), FailsWith(StatusCode::kInvalidArgument, "odd"));
}

TEST(StatusMacros, ReturnIfErrorLeavesOnlyOnErrors) {
  int reached = 0;
  EXPECT_THAT(CountUntil(absl::OkStatus(), &reached), IsOk());
  EXPECT_EQ(reached, 2);
  EXPECT_THAT(CountUntil(absl::AbortedError("io"), &reached),
              FailsWith(StatusCode::kAborted, "io"));
  EXPECT_EQ(reached, 1);
}

TEST(Annotate, PutsContextBeforeTheMessageAndKeepsTheCode) {
  EXPECT_THAT(Annotate(absl::NotFoundError("no file"), "model a"),
              FailsWith(StatusCode::kNotFound, "model a: no file"));
  EXPECT_THAT(Annotate(absl::OkStatus(), "model a"), IsOk());
}

TEST(ExitCode, FollowsSysexits) {
  const std::pair<StatusCode, int> rows[] = {
      {StatusCode::kOk, 0},
      {StatusCode::kInvalidArgument, 64},
      {StatusCode::kDataLoss, 65},
      {StatusCode::kNotFound, 66},
      {StatusCode::kUnavailable, 69},
      {StatusCode::kInternal, 70},
      {StatusCode::kUnknown, 70},
      {StatusCode::kAlreadyExists, 73},
      {StatusCode::kAborted, 74},
      {StatusCode::kResourceExhausted, 75},
      {StatusCode::kDeadlineExceeded, 75},
      {StatusCode::kPermissionDenied, 77},
      {StatusCode::kFailedPrecondition, 78},
      {StatusCode::kCancelled, 130},
  };
  for (const auto& [code, exit] : rows) {
    EXPECT_EQ(ExitCode(absl::Status(code, "x")), exit) << absl::StatusCodeToString(code);
  }
}

TEST(ExitStatus, PrintsProgramAndMessageOnlyOnErrors) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(ExitStatus("prog", absl::NotFoundError("no file x")), 66);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "prog: no file x\n");
  testing::internal::CaptureStderr();
  EXPECT_EQ(ExitStatus("prog", absl::OkStatus()), 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace slotmatch
