// Tokens at the doors of a running server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/support/server_fixture.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

class AuthorizeTest : public ServerFixture {
 protected:
  AuthorizeTest() {
    SetTokens("camera infer " + Sha256Hex("eyes") + "\nscraper metrics " + Sha256Hex("numbers"));
    config_.mutable_security()->set_token_file(dir_.File("tokens"));
  }
  void SetTokens(const std::string& text) { dir_.Write("tokens", text); }

  grpc::StatusCode List(const std::string& authorization) {
    grpc::ClientContext context;
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    v1::ListModelsResponse response;
    return v1::SlotMatchService::NewStub(channel_)
        ->ListModels(&context, {}, &response)
        .error_code();
  }
  grpc::StatusCode Stream(const std::string& authorization) {
    grpc::ClientContext context;
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    const auto stub = v1::SlotMatchService::NewStub(channel_);
    const auto stream = stub->Segment(&context);
    v1::SegmentRequest request;
    request.mutable_config();
    stream->Write(request);
    stream->WritesDone();
    v1::SegmentResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish().error_code();
  }

  const TempDir dir_;
};

TEST_F(AuthorizeTest, CallsNeedATokenThatMayInfer) {
  StartApp();
  EXPECT_EQ(List("Bearer eyes"), grpc::StatusCode::OK);
  EXPECT_EQ(List(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(List("Bearer nose"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(List("Bearer numbers"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Stream("Bearer eyes"), grpc::StatusCode::OK);
  EXPECT_EQ(Stream(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Metric("slotmatch_sessions_opened_total"), 1);  // others took no place
}

TEST_F(AuthorizeTest, TokenThatIsTakenOutStopsWorking) {
  StartApp();
  ASSERT_EQ(List("Bearer eyes"), grpc::StatusCode::OK);
  SetTokens("camera infer " + Sha256Hex("ears"));
  EXPECT_TRUE(Eventually([&] { return List("Bearer ears") == grpc::StatusCode::OK; }));
  EXPECT_EQ(List("Bearer eyes"), grpc::StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace slotmatch
