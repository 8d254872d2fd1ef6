#include "server/admin/admin_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/support/kserve_request.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using Stub = v1::AdminService::Stub;

// A server with an admin port that serves fake/1 of a repository with fake/1, fake/2 and
// fake/broken.
class AdminServiceTest : public ServerFixture {
 protected:
  AdminServiceTest() {
    for (const char* version : {"1", "2", "broken"}) {
      EXPECT_THAT(WriteFileAtomically(Folder(version) + "/manifest.textproto", ""), IsOk());
    }
    config_ = Serving(config_, {Folder("1")});
    config_.mutable_listen()->set_admin_address("127.0.0.1:0");
  }
  std::string Folder(const std::string& version) const { return root_.path() + "/fake/" + version; }
  void StartAdmin() {
    StartApp();
    ASSERT_NE(app_, nullptr);
    admin_channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", app_->admin_port()),
                                         grpc::InsecureChannelCredentials());
    stub_ = v1::AdminService::NewStub(admin_channel_);
  }
  // One unary call, with a bearer token if there is one.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response, const std::string& token = "") {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    return (stub_.get()->*method)(&context, request, response);
  }
  std::vector<v1::SessionInfo> Sessions() {
    v1::ListSessionsResponse response;
    EXPECT_TRUE(Call(&Stub::ListSessions, {}, &response).ok());
    return {response.sessions().begin(), response.sessions().end()};
  }
  std::vector<v1::ModelVersion> Models() {
    v1::ListModelVersionsResponse response;
    EXPECT_TRUE(Call(&Stub::ListModelVersions, {}, &response).ok());
    return {response.models().begin(), response.models().end()};
  }
  // Ends the trace and reads it.
  nlohmann::json StopTrace() {
    grpc::ClientContext context;
    const auto reader = stub_->StopTrace(&context, v1::StopTraceRequest());
    std::string text;
    for (v1::StopTraceResponse piece; reader->Read(&piece);) text += piece.json();
    EXPECT_TRUE(reader->Finish().ok());
    return nlohmann::json::parse(text, nullptr, false);
  }
  // The next answer of `stream`, which must be a result.
  static v1::FrameResult Result(TestStream* stream) {
    const auto response = stream->Read();
    EXPECT_TRUE(response.has_value() && response->has_result());
    return response.has_value() ? response->result() : v1::FrameResult();
  }

  TempDir root_;
  std::shared_ptr<grpc::Channel> admin_channel_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(AdminServiceTest, ListsSessionsWithWhatBecameOfTheirFrames) {
  StartAdmin();
  TestStream stream(channel_);
  const std::string id = stream.Open().session_id();
  ASSERT_TRUE(stream.SendPicture(1, MakePicture(9, 9)));
  ASSERT_TRUE(stream.SendBytes(2, "no picture"));
  Result(&stream);
  ASSERT_TRUE(stream.Read()->has_error());
  ASSERT_TRUE(Eventually([&] { return Sessions().at(0).unread() == 0; }));
  const auto sessions = Sessions();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].session_id(), id);
  EXPECT_EQ(sessions[0].method(), "Segment");
  EXPECT_EQ(sessions[0].client(), "");
  EXPECT_THAT(sessions[0].peer(), HasSubstr("127.0.0.1"));
  EXPECT_EQ(sessions[0].model(), "fake");
  EXPECT_EQ(sessions[0].version(), "1");
  EXPECT_EQ(sessions[0].frames_received(), 2u);
  EXPECT_EQ(sessions[0].frames_answered(), 1u);
  EXPECT_EQ(sessions[0].frames_failed(), 1u);
  EXPECT_EQ(sessions[0].frames_dropped(), 0u);
  EXPECT_EQ(sessions[0].credits(), config_.limits().max_queued_frames());
}

TEST_F(AdminServiceTest, ClosesOneSessionAndNoOther) {
  StartAdmin();
  TestStream closed(channel_), other(channel_);
  v1::CloseSessionRequest request;
  request.set_session_id(closed.Open().session_id());
  other.Open();
  v1::CloseSessionResponse response;
  ASSERT_TRUE(Call(&Stub::CloseSession, request, &response).ok());
  const grpc::Status status = closed.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("closed by an administrator"));
  ASSERT_TRUE(other.SendPicture(1, MakePicture(9, 9)));
  Result(&other);
  ASSERT_TRUE(Eventually([&] { return Sessions().size() == 1; }));
  EXPECT_EQ(Call(&Stub::CloseSession, request, &response).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Metric("slotmatch_sessions_closed_total{reason=\"closed_by_admin\"}"), 1);
}

TEST_F(AdminServiceTest, StatsCountAndTellTheLogLevel) {
  StartAdmin();
  TestStream stream(channel_);
  stream.Open();
  ASSERT_TRUE(stream.SendPicture(1, MakePicture(9, 9)));
  Result(&stream);
  v1::GetStatsResponse stats;
  ASSERT_TRUE(Call(&Stub::GetStats, {}, &stats).ok());
  EXPECT_EQ(stats.sessions(), 1u);
  EXPECT_EQ(stats.session_capacity(), 64u);
  EXPECT_EQ(stats.frames_received(), 1u);
  EXPECT_EQ(stats.frames_processed(), 1u);
  EXPECT_GT(stats.resident_bytes(), 1u << 20);
  EXPECT_EQ(stats.log_level(), "error");
  EXPECT_FALSE(stats.draining());
}

TEST_F(AdminServiceTest, LogLevelTakesEffectAndWrongOnesDoNot) {
  StartAdmin();
  v1::SetLogLevelRequest request;
  v1::SetLogLevelResponse response;
  request.set_level("chatty");
  EXPECT_EQ(Call(&Stub::SetLogLevel, request, &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(LogLevel(), "error");
  request.set_level("warning");
  ASSERT_TRUE(Call(&Stub::SetLogLevel, request, &response).ok());
  EXPECT_EQ(response.previous(), "error");
  EXPECT_EQ(LogLevel(), "warning");
}

TEST_F(AdminServiceTest, TraceHasEveryFrameOfItsTimeWithTheCallsTrace) {
  StartAdmin();
  v1::StartTraceResponse started;
  ASSERT_TRUE(Call(&Stub::StartTrace, {}, &started).ok());
  EXPECT_EQ(Call(&Stub::StartTrace, {}, &started).error_code(), StatusCode::FAILED_PRECONDITION);
  const std::string trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  TestStream stream(channel_, absl::Minutes(1),
                    {{"traceparent", "00-" + trace_id + "-00f067aa0ba902b7-01"}});
  stream.Open();
  EXPECT_EQ(Sessions().at(0).trace_id(), trace_id);
  for (uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(stream.SendPicture(id, MakePicture(9, 9)));
    Result(&stream);
  }
  stream.SendDone();
  EXPECT_TRUE(stream.Finish().ok());
  const auto trace = StopTrace();
  ASSERT_TRUE(trace.is_object());
  std::set<uint64_t> frames;
  int batches = 0;
  for (const auto& event : trace.at("traceEvents")) {
    batches += event.at("ph") == "X";
    if (event.at("ph") != "b" || event.at("name") != "frame") continue;
    frames.insert(event.at("args").at("frame_id").get<uint64_t>());
    EXPECT_EQ(event.at("args").at("trace_id"), trace_id);
  }
  EXPECT_THAT(frames, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(batches, 3);
}

TEST_F(AdminServiceTest, TraceHasTheFramesOfEveryKindOfCall) {
  StartAdmin();
  v1::StartTraceResponse started;
  ASSERT_TRUE(Call(&Stub::StartTrace, {}, &started).ok());
  const auto slotmatch = v1::SlotMatchService::NewStub(channel_);
  const auto kserve = inference::GRPCInferenceService::NewStub(channel_);
  grpc::ClientContext contexts[4];
  for (int i = 0; i < 4; ++i) {
    contexts[i].AddMetadata("traceparent",
                            absl::StrCat("00-", std::string(32, '1' + i), "-00f067aa0ba902b7-01"));
  }
  v1::SegmentClipRequest clip;
  for (uint64_t id = 1; id <= 2; ++id) {
    clip.add_frames()->set_frame_id(id);
    clip.mutable_frames(id - 1)->set_encoded(PngBytes(MakePicture(9, 9)));
  }
  v1::SegmentClipResponse clip_response;
  ASSERT_TRUE(slotmatch->SegmentClip(&contexts[0], clip, &clip_response).ok());
  v1::SegmentFrameRequest frame;
  *frame.mutable_frame() = clip.frames(0);
  v1::SegmentFrameResponse frame_response;
  ASSERT_TRUE(slotmatch->SegmentFrame(&contexts[1], frame, &frame_response).ok());
  const inference::ModelInferRequest infer = KServeRequest("fake", MakePicture(9, 9));
  inference::ModelInferResponse infer_response;
  ASSERT_TRUE(kserve->ModelInfer(&contexts[2], infer, &infer_response).ok());
  const auto stream = kserve->ModelStreamInfer(&contexts[3]);
  inference::ModelStreamInferResponse answer;
  ASSERT_TRUE(stream->Write(infer) && stream->Read(&answer));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  for (const char* method : {"SegmentClip", "SegmentFrame", "ModelInfer", "ModelStreamInfer"}) {
    const std::string ended =
        absl::StrCat("grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"", method, "\"");
    EXPECT_TRUE(Eventually([&] { return Metric(ended) == 1; })) << method;
  }
  std::map<std::string, int> frames;
  const auto trace = StopTrace();
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") != "b" || event.at("name") != "frame") continue;
    ++frames[event.at("args").at("trace_id").get<std::string>().substr(0, 1)];
  }
  EXPECT_THAT(frames, testing::ElementsAre(testing::Pair("1", 2), testing::Pair("2", 1),
                                           testing::Pair("3", 1), testing::Pair("4", 1)));
}

TEST_F(AdminServiceTest, ReloadLeavesOpenSessionsOnTheirVersion) {
  StartAdmin();
  TestStream old(channel_);
  old.Open();
  const std::vector<Image> pictures = {MakePicture(9, 9, 1), MakePicture(9, 9, 2),
                                       MakePicture(9, 9, 3)};
  const auto expected = ExpectedSlots(pictures);
  const auto is_as_expected = [&](size_t i) {
    ASSERT_TRUE(old.SendPicture(i, pictures[i]));
    EXPECT_EQ(SlotsOf(Result(&old)), expected[i]);
  };
  is_as_expected(0);
  v1::ReloadModelResponse response;
  ASSERT_TRUE(Call(&Stub::ReloadModel, {}, &response).ok());
  EXPECT_TRUE(response.changed());
  EXPECT_EQ(response.model().version(), "2");
  EXPECT_TRUE(response.model().is_default());
  is_as_expected(1);
  TestStream fresh(channel_);
  EXPECT_EQ(fresh.Open().model().version(), "2");
  ASSERT_TRUE(fresh.SendPicture(0, pictures[0]));
  EXPECT_NE(SlotsOf(Result(&fresh)), expected[0]);
  is_as_expected(2);

  const auto models = Models();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[1].state(), v1::MODEL_STATE_RETIRING);
  EXPECT_EQ(models[1].sessions(), 1u);
  EXPECT_EQ(Metric("slotmatch_model_retiring{model=\"fake\",version=\"1\"}"), 1);
  old.SendDone();
  EXPECT_TRUE(old.Finish().ok());
  EXPECT_TRUE(Eventually([&] { return server_.made->front().expired(); }));
  EXPECT_TRUE(Eventually([&] { return Models().size() == 1; }));
}

TEST_F(AdminServiceTest, LoadThatFailsIsRefusedByNameAndChangesNothing) {
  StartAdmin();
  TestStream stream(channel_);
  stream.Open();
  v1::ReloadModelRequest request;
  v1::ReloadModelResponse response;
  request.set_version("broken");
  const grpc::Status status = Call(&Stub::ReloadModel, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr(Folder("broken") + " is damaged"));
  request.set_version("../../etc");
  EXPECT_EQ(Call(&Stub::ReloadModel, request, &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(Models().size(), 1u);
  EXPECT_EQ(Models()[0].state(), v1::MODEL_STATE_READY);
  ASSERT_TRUE(stream.SendPicture(1, MakePicture(9, 9)));
  Result(&stream);
}

TEST_F(AdminServiceTest, UnloadTellsSessionsToMoveWithTheirState) {
  StartAdmin();
  v1::LoadModelRequest load;
  v1::LoadModelResponse loaded;
  load.set_name("fake");
  ASSERT_TRUE(Call(&Stub::LoadModel, load, &loaded).ok());
  EXPECT_EQ(loaded.model().version(), "2");
  TestStream stream(channel_);
  EXPECT_EQ(stream.Open().model().version(), "2");
  ASSERT_TRUE(stream.SendPicture(1, MakePicture(9, 9)));
  Result(&stream);
  v1::UnloadModelRequest request;
  v1::UnloadModelResponse response;
  request.set_name("fake");
  request.set_version("2");
  request.set_end_sessions(true);
  ASSERT_TRUE(Call(&Stub::UnloadModel, request, &response).ok());
  EXPECT_EQ(response.versions(), 1u);
  EXPECT_EQ(response.sessions_ended(), 1u);
  const auto farewell = stream.Read();
  ASSERT_TRUE(farewell.has_value() && farewell->has_go_away());
  EXPECT_EQ(farewell->go_away().reason(), v1::GoAway::MODEL_UNLOADED);
  EXPECT_EQ(farewell->go_away().state().last_frame_id(), 1u);
  EXPECT_EQ(stream.Finish().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Eventually([&] { return Models().size() == 1; }));
  request.clear_version();
  EXPECT_EQ(Call(&Stub::UnloadModel, request, &response).error_code(),
            StatusCode::FAILED_PRECONDITION);
}

TEST_F(AdminServiceTest, CallsNeedATokenWithRoleAdmin) {
  config_.mutable_security()->set_token_file(
      root_.Write("tokens", "camera infer " + Sha256Hex("infer-token") + "\nboss admin " +
                                Sha256Hex("admin-token") + "\n"));
  StartAdmin();
  v1::GetStatsResponse stats;
  v1::ReloadModelResponse reloaded;
  EXPECT_EQ(Call(&Stub::GetStats, {}, &stats).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call(&Stub::GetStats, {}, &stats, "infer-token").error_code(),
            StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call(&Stub::ReloadModel, {}, &reloaded, "infer-token").error_code(),
            StatusCode::PERMISSION_DENIED);
  grpc::ClientContext context;
  const auto reader = stub_->StopTrace(&context, v1::StopTraceRequest());
  v1::StopTraceResponse piece;
  EXPECT_FALSE(reader->Read(&piece));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Call(&Stub::GetStats, {}, &stats, "admin-token").ok());
}

TEST_F(AdminServiceTest, DataPortHasNoAdminCalls) {
  StartAdmin();
  stub_ = v1::AdminService::NewStub(channel_);
  v1::GetStatsResponse stats;
  EXPECT_EQ(Call(&Stub::GetStats, {}, &stats).error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(AdminServiceTest, DrainIsAskedForOnce) {
  std::atomic<int> asked{0};
  const auto app = ServerApp::Start(config_, FakeLoader(), [&] { ++asked; });
  ASSERT_THAT(app, IsOk());
  stub_ = v1::AdminService::NewStub(grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", (*app)->admin_port()), grpc::InsecureChannelCredentials()));
  v1::DrainResponse response;
  EXPECT_TRUE(Call(&Stub::Drain, {}, &response).ok());
  EXPECT_EQ(Call(&Stub::Drain, {}, &response).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace slotmatch
