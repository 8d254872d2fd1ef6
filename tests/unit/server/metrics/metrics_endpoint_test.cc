#include "server/metrics/metrics_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

httplib::Result Get(int port, const httplib::Headers& headers = {}) {
  return httplib::Client("127.0.0.1", port).Get("/metrics", headers);
}

TEST(MetricsEndpoint, GivesTheTextToEverybodyWithoutARule) {
  const auto endpoint = MetricsEndpoint::Start({"127.0.0.1:0", [] { return "a 1\n"; }, {}});
  ASSERT_THAT(endpoint, IsOk());
  const auto answer = Get((*endpoint)->port());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "a 1\n");
}

TEST(MetricsEndpoint, TokenGuardsTheNumbers) {
  const auto allow = [](const std::string& authorization) {
    return authorization == "Bearer numbers" ? absl::OkStatus()
                                             : absl::UnauthenticatedError("no token");
  };
  const auto endpoint = MetricsEndpoint::Start({"127.0.0.1:0", [] { return "a 1\n"; }, allow});
  ASSERT_THAT(endpoint, IsOk());
  const auto refused = Get((*endpoint)->port());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->body, "no token\n");
  const auto answer = Get((*endpoint)->port(), {{"Authorization", "Bearer numbers"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "a 1\n");
}

}  // namespace
}  // namespace slotmatch
