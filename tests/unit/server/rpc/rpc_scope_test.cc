#include "server/rpc/rpc_scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/log.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Handled(const char* code, int count) {
  return std::string("grpc_server_handled_total{grpc_code=\"") + code +
         "\",grpc_method=\"ListModels\",grpc_service=\"slotmatch.v1.SlotMatchService\","
         "grpc_type=\"unary\"} " +
         std::to_string(count) + "\n";
}

class RpcScopeTest : public testing::Test {
 protected:
  RpcScopeTest() { InitLog("error", false); }
  ServerMetrics metrics_;
};

TEST_F(RpcScopeTest, CountsSuccessOnlyWhenToldSo) {
  {
    RpcScope scope(&metrics_, "unary", "ListModels", RpcCaller{"peer", {}});
    scope.End(absl::OkStatus());
    EXPECT_THAT(metrics_.Text(), HasSubstr(Handled("OK", 0))) << "not before its end";
  }
  EXPECT_THAT(metrics_.Text(), HasSubstr(Handled("OK", 1)));
  EXPECT_THAT(metrics_.Text(), HasSubstr(Handled("Unknown", 0)));
}

TEST_F(RpcScopeTest, ForgottenEndCountsAsUnknown) {
  { const RpcScope scope(&metrics_, "unary", "ListModels", RpcCaller{"peer", {}}); }
  EXPECT_THAT(metrics_.Text(), HasSubstr(Handled("Unknown", 1)));
}

TEST_F(RpcScopeTest, CountsTheStatusOfItsEnd) {
  {
    RpcScope scope(&metrics_, "unary", "ListModels", RpcCaller{"peer", {}});
    scope.End(absl::ResourceExhaustedError("full"));
  }
  EXPECT_THAT(metrics_.Text(), HasSubstr(Handled("ResourceExhausted", 1)));
}

TEST_F(RpcScopeTest, CountsStartAndMessages) {
  RpcScope scope(&metrics_, "bidi_stream", "Segment", RpcCaller{"peer", {}});
  scope.MessageReceived();
  scope.MessageReceived();
  scope.MessageSent();
  scope.End(absl::OkStatus());
  const std::string labels =
      "{grpc_method=\"Segment\",grpc_service=\"slotmatch.v1.SlotMatchService\","
      "grpc_type=\"bidi_stream\"} ";
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("grpc_server_started_total" + labels + "1\n"));
  EXPECT_THAT(text, HasSubstr("grpc_server_msg_received_total" + labels + "2\n"));
  EXPECT_THAT(text, HasSubstr("grpc_server_msg_sent_total" + labels + "1\n"));
}

TEST_F(RpcScopeTest, LogsEachRpcOnceAndBrokenInvariantsAsErrors) {
  testing::internal::CaptureStderr();
  InitLog("info", false);
  {
    RpcScope scope(&metrics_, "unary", "ListModels", RpcCaller{"ipv4:1.2.3.4:5", {}});
    scope.End(absl::InternalError("broken"));
  }
  const std::string text = testing::internal::GetCapturedStderr();
  InitLog("error", false);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  for (const char* part : {"error", "method=ListModels", "peer=ipv4:1.2.3.4:5", "code=INTERNAL",
                           "duration_ms=", "broken"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

}  // namespace
}  // namespace slotmatch
