// What a hostile or broken client can send to the real server. Each case ends one frame or one
// stream, precisely; after each of them a normal stream gives what it gave before.
#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

using testing::HasSubstr;

constexpr int kMaxSessions = 3;

// The first bytes of a PNG that states a size, without its pixels.
std::string PngHeader(uint32_t width, uint32_t height) {
  std::string png = Encoded(cv::Mat(8, 8, CV_8UC3, cv::Scalar(1, 2, 3)), ".png");
  for (int i = 0; i < 4; ++i) {
    png[16 + i] = static_cast<char>(width >> (24 - 8 * i));
    png[20 + i] = static_cast<char>(height >> (24 - 8 * i));
  }
  return png;
}

struct BadFrame {
  const char* what;
  v1::SegmentRequest request;  // its frame_id is set by the test
  grpc::StatusCode code;
  const char* fragment;
};

class HostileInput : public ServedTest {
 protected:
  static void SetUpTestSuite() {
    StartShared("hostile", {kStudent},
                {"--set", "limits.max_sessions=" + std::to_string(kMaxSessions)});
    stub_ = ConnectStub(server_->address());
    const std::vector<cv::Mat> frames = VideoFrames(kSampleVideo, 2);
    ASSERT_EQ(frames.size(), 2u);
    jpeg_ = {Encoded(frames[0], ".jpg"), Encoded(frames[1], ".jpg")};
    before_ = Normal();
    ASSERT_EQ(before_.answers.size(), 2u) << before_.status.error_message();
  }

  static StreamEnd Normal() {
    return RunStream(stub_.get(),
                     {ConfigRequest(), EncodedRequest(1, jpeg_[0]), EncodedRequest(2, jpeg_[1])});
  }

  // Any case: nothing of it stays behind.
  void TearDown() override {
    EXPECT_TRUE(Eventually([] { return ActiveSessions() == 0; }, kShortPatience));
    const StreamEnd after = Normal();
    EXPECT_TRUE(after.status.ok()) << after.status.error_message();
    ExpectAsBefore(after, 0, 0);
    ExpectAsBefore(after, 1, 1);
    ServedTest::TearDown();
  }

  static double Metric(const std::string& name, const std::string& label = "") {
    return MetricValue(HttpGet(server_->metrics_port(), "/metrics"), name, label);
  }
  static double ActiveSessions() { return Metric("slotmatch_sessions_active"); }

  // The answer at `at` is the result that picture `picture` had in the untroubled stream.
  static void ExpectAsBefore(const StreamEnd& end, size_t at, size_t picture) {
    ASSERT_LT(at, end.answers.size()) << end.status.error_message();
    ASSERT_TRUE(end.answers[at].has_result()) << end.answers[at].error().message();
    v1::FrameResult result = end.answers[at].result();
    const v1::FrameResult& wanted = before_.answers[picture].result();
    result.set_frame_id(wanted.frame_id());
    result.set_capture_time_us(wanted.capture_time_us());
    EXPECT_TRUE(SameResult(result, wanted)) << "answer " << at;
  }

  static void ExpectEnd(const StreamEnd& end, grpc::StatusCode code, const std::string& fragment) {
    EXPECT_EQ(end.status.error_code(), code) << end.status.error_message();
    EXPECT_THAT(end.status.error_message(), HasSubstr(fragment));
  }

  inline static std::unique_ptr<Stub> stub_;
  inline static std::vector<std::string> jpeg_;
  inline static StreamEnd before_;
};

std::vector<BadFrame> BadFrames(const std::string& jpeg) {
  constexpr auto kInvalid = grpc::StatusCode::INVALID_ARGUMENT;
  constexpr auto kDamaged = grpc::StatusCode::DATA_LOSS;
  const cv::Mat picture(64, 64, CV_8UC3, cv::Scalar(10, 20, 30));
  const std::string png = Encoded(picture, ".png");
  v1::SegmentRequest no_image;
  no_image.mutable_frame();
  return {
      {"text", EncodedRequest(0, "this is not an image"), kInvalid, "neither a JPEG nor a PNG"},
      {"0 bytes", EncodedRequest(0, ""), kInvalid, "0 bytes"},
      {"no image at all", no_image, kInvalid, "empty"},
      {"PNG of 40,000 x 40,000", EncodedRequest(0, PngHeader(40000, 40000)), kInvalid,
       "40000x40000"},
      {"PNG of 4 billion squared", EncodedRequest(0, PngHeader(0xffffffff, 0xffffffff)), kInvalid,
       "impossible size"},
      {"half a JPEG", EncodedRequest(0, jpeg.substr(0, jpeg.size() / 2)), kDamaged, "cut short"},
      {"the start of a JPEG", EncodedRequest(0, jpeg.substr(0, 3)), kInvalid, "JPEG"},
      {"half a PNG", EncodedRequest(0, png.substr(0, png.size() / 2)), kDamaged, "PNG"},
      {"raw, a byte short",
       RawRequest(0, v1::PIXEL_FORMAT_RGB8, 640, 360, std::string(640 * 360 * 3 - 1, 'x')),
       kInvalid, "691200 bytes, not 691199"},
      {"raw, a byte long",
       RawRequest(0, v1::PIXEL_FORMAT_GRAY8, 64, 64, std::string(64 * 64 + 1, 'x')), kInvalid,
       "4096 bytes, not 4097"},
      {"raw without a size", RawRequest(0, v1::PIXEL_FORMAT_BGR8, 0, 0, ""), kInvalid,
       "width and height"},
      {"raw whose size overflows",
       RawRequest(0, v1::PIXEL_FORMAT_RGB8, static_cast<int>(0xffffffff),
                  static_cast<int>(0xffffffff), "x"),
       kInvalid, "4294967295x4294967295"},
      {"raw in a format of the future",
       RawRequest(0, static_cast<v1::PixelFormat>(77), 64, 64, std::string(64 * 64 * 3, 'x')),
       kInvalid, "pixel format 77"},
  };
}

TEST_F(HostileInput, BadFramesAreFrameErrorsAndTheSessionGoesOnUnmoved) {
  const std::vector<BadFrame> bad = BadFrames(jpeg_[0]);
  std::vector<v1::SegmentRequest> requests = {ConfigRequest(), EncodedRequest(10, jpeg_[0])};
  requests[0].mutable_config()->set_gap_policy(v1::GAP_POLICY_HOLD);
  uint64_t id = 100;
  for (BadFrame frame : bad) {
    frame.request.mutable_frame()->set_frame_id(id++);
    requests.push_back(frame.request);
  }
  requests.push_back(EncodedRequest(1000, jpeg_[1]));
  const StreamEnd end = RunStream(stub_.get(), requests);
  EXPECT_TRUE(end.status.ok()) << end.status.error_message();
  ASSERT_EQ(end.answers.size(), bad.size() + 2);
  ExpectAsBefore(end, 0, 0);
  for (size_t i = 0; i < bad.size(); ++i) {
    SCOPED_TRACE(bad[i].what);
    ASSERT_TRUE(end.answers[i + 1].has_error());
    const v1::FrameError& error = end.answers[i + 1].error();
    EXPECT_EQ(error.frame_id(), 100 + i);
    EXPECT_EQ(error.code(), bad[i].code);
    EXPECT_THAT(error.message(), HasSubstr(bad[i].fragment));
  }
  ExpectAsBefore(end, bad.size() + 1, 1);  // the temporal state has not moved in between
}

TEST_F(HostileInput, FrameBeforeConfigEndsTheStream) {
  const StreamEnd end = RunStream(stub_.get(), {EncodedRequest(1, jpeg_[0])});
  ExpectEnd(end, grpc::StatusCode::INVALID_ARGUMENT, "must be a SessionConfig");
  EXPECT_FALSE(end.opened.has_value());
  EXPECT_TRUE(end.answers.empty());
}

TEST_F(HostileInput, SecondConfigEndsTheStreamAfterTheFramesBeforeIt) {
  const StreamEnd end = RunStream(stub_.get(), {ConfigRequest(), EncodedRequest(1, jpeg_[0]),
                                                ConfigRequest(), EncodedRequest(2, jpeg_[1])});
  ExpectEnd(end, grpc::StatusCode::INVALID_ARGUMENT, "one SessionConfig");
  EXPECT_EQ(end.answers.size(), 1u);
  ExpectAsBefore(end, 0, 0);
}

TEST_F(HostileInput, FrameIdsMustIncrease) {
  for (const uint64_t second : {5, 4, 0}) {
    const StreamEnd end = RunStream(stub_.get(), {ConfigRequest(), EncodedRequest(5, jpeg_[0]),
                                                  EncodedRequest(second, jpeg_[1])});
    ExpectEnd(end, grpc::StatusCode::OUT_OF_RANGE, "ids must strictly increase");
    EXPECT_EQ(end.answers.size(), 1u);
    ExpectAsBefore(end, 0, 0);
  }
}

TEST_F(HostileInput, EmptyMessageEndsTheStream) {
  ExpectEnd(RunStream(stub_.get(), {v1::SegmentRequest()}), grpc::StatusCode::INVALID_ARGUMENT,
            "neither config, frame nor control");
  ExpectEnd(RunStream(stub_.get(), {ConfigRequest(), v1::SegmentRequest()}),
            grpc::StatusCode::INVALID_ARGUMENT, "neither config, frame nor control");
}

TEST_F(HostileInput, ConfigThatCannotBeServedEndsTheStream) {
  ExpectEnd(RunStream(stub_.get(), {ConfigRequest("no_such_model")}), grpc::StatusCode::NOT_FOUND,
            "no_such_model");
  ExpectEnd(RunStream(stub_.get(), {ConfigRequest(std::string(100000, 'm'))}),
            grpc::StatusCode::NOT_FOUND, "mmm");
  ExpectEnd(RunStream(stub_.get(), {ConfigRequest("", static_cast<v1::MaskEncoding>(77))}),
            grpc::StatusCode::UNIMPLEMENTED, "mask encoding 77");
  v1::SegmentRequest sizes = ConfigRequest("");
  sizes.mutable_config()->mutable_mask()->set_size(static_cast<v1::MaskSize>(77));
  ExpectEnd(RunStream(stub_.get(), {sizes}), grpc::StatusCode::UNIMPLEMENTED, "mask size 77");
  v1::SegmentRequest slots = ConfigRequest("");
  slots.mutable_config()->mutable_slots()->set_encoding(static_cast<v1::SlotEncoding>(77));
  ExpectEnd(RunStream(stub_.get(), {slots}), grpc::StatusCode::UNIMPLEMENTED, "slot encoding 77");
}

TEST_F(HostileInput, MessageOverTheSizeLimitEndsTheStream) {
  const StreamEnd end = RunStream(
      stub_.get(), {ConfigRequest(), EncodedRequest(1, std::string(size_t{17} << 20, 'x'))});
  ExpectEnd(end, grpc::StatusCode::RESOURCE_EXHAUSTED, "larger than max");
}

TEST_F(HostileInput, HalfClosedImmediatelyEndsWell) {
  const StreamEnd nothing = RunStream(stub_.get(), {});
  EXPECT_TRUE(nothing.status.ok()) << nothing.status.error_message();
  EXPECT_FALSE(nothing.opened.has_value());
  const StreamEnd config_only = RunStream(stub_.get(), {ConfigRequest()});
  EXPECT_TRUE(config_only.status.ok()) << config_only.status.error_message();
  EXPECT_TRUE(config_only.opened.has_value());
  EXPECT_TRUE(config_only.answers.empty());
}

TEST_F(HostileInput, CancelInMidStreamLeavesNothingBehind) {
  const double cancelled_before = Metric("slotmatch_sessions_closed_total", "client_cancelled");
  grpc::ClientContext context;
  const auto stream = stub_->Segment(&context);
  std::thread sender([&] {
    stream->Write(ConfigRequest());
    for (uint64_t id = 1; id < 100 && stream->Write(EncodedRequest(id, jpeg_[id % 2])); ++id) {
    }
  });
  v1::SegmentResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_opened());
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.result().frame_id(), 1u);
  context.TryCancel();
  sender.join();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([] { return ActiveSessions() == 0; }, kShortPatience));
  EXPECT_EQ(Metric("slotmatch_sessions_closed_total", "client_cancelled"), cancelled_before + 1);
}

TEST_F(HostileInput, SessionsBeyondTheLimitAreRefusedUntilOneEnds) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::SegmentRequest, v1::SegmentResponse>>>
      streams;
  for (int i = 0; i < kMaxSessions; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub_->Segment(contexts.back().get()));
    v1::SegmentResponse response;
    streams.back()->Write(ConfigRequest());
    ASSERT_TRUE(streams.back()->Read(&response));
  }
  ExpectEnd(RunStream(stub_.get(), {ConfigRequest()}), grpc::StatusCode::RESOURCE_EXHAUSTED,
            "all 3 sessions are taken");
  for (const auto& stream : streams) {
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }
}

// One call whose message is `bytes`, whatever the proto says.
grpc::Status SendBytes(const std::string& address, const std::string& method,
                       const std::string& bytes) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, method, &queue);
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
  };
  call->StartCall(nullptr);
  wait();
  const grpc::Slice slice(bytes);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  wait();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  return status;
}

TEST_F(HostileInput, BytesThatAreNoMessageEndTheCall) {
  const std::string service = "/slotmatch.v1.SlotMatchService/";
  const std::string garbage(1000, '\xff');
  for (const char* method : {"Segment", "ListModels"}) {
    const grpc::Status status = SendBytes(server_->address(), service + method, garbage);
    EXPECT_FALSE(status.ok()) << method;
    EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << method;
  }
  EXPECT_EQ(SendBytes(server_->address(), service + "NoSuchCall", "").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(HostileInput, BytesThatAreNoGrpcAreDropped) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100000, '\x7f')}) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    const std::string port = server_->address().substr(server_->address().find(':') + 1);
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_GT(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    close(fd);
  }
}

}  // namespace
}  // namespace slotmatch
