#include "server/rpc/status_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slotmatch {
namespace {

TEST(ToGrpcStatus, KeepsCodeAndMessage) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "why");
  }
}

TEST(ToGrpcStatus, CapsTheMessage) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(100000, 'x')));
  EXPECT_EQ(status.error_message().size(), 512u);
  EXPECT_THAT(status.error_message(), testing::EndsWith("x..."));
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(std::string(512, 'x'))).error_message(),
            std::string(512, 'x'));
}

}  // namespace
}  // namespace slotmatch
