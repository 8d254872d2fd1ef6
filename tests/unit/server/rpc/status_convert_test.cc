#include "server/rpc/status_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

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

TEST(ToGrpcStatus, CarriesRetryInfoAsAnErrorDetail) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("why")).error_details(), "");
  const grpc::Status status =
      ToGrpcStatus(WithRetry(absl::ResourceExhaustedError("full"), absl::Milliseconds(2500)));
  EXPECT_EQ(status.error_message(), "full");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 8);
  EXPECT_EQ(details.message(), "full");
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  google::rpc::RetryInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().seconds(), 2);
  EXPECT_EQ(info.retry_delay().nanos(), 500000000);
}

}  // namespace
}  // namespace slotmatch
