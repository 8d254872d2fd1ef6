// A running server and those who run it: models are replaced under its streams, its log and its
// trace tell what happened to a frame, and it stops when asked to.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/strings/str_replace.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr int kFrames = 6;
constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";

// Cases run in their order: the last one ends the server.
class Administration : public ServedTest {
 protected:
  // A repository with the student as slotmatch/1, the teacher as slotmatch/2, and a damaged
  // slotmatch/3; the server starts with the first.
  static void SetUpTestSuite() {
    const fs::path root = fs::path(FreshFolder("administration_models"));
    fs::create_directories(root / "slotmatch");
    fs::create_directories(root / "dinov2_vits14");
    fs::copy("models/dinov2_vits14/1", root / "dinov2_vits14/1");
    fs::copy(kStudent, root / "slotmatch/1");
    repository_ = root.string();
    StartShared("administration", {repository_ + "/slotmatch/1"}, {"--set", "log.json=true"});
    stub_ = ConnectStub(server_->address());
    frames_ = VideoFrames(kSampleVideo, kFrames);
  }
  static void TearDownTestSuite() {
    stub_.reset();
    ServedTest::TearDownTestSuite();
    RemoveUnlessFailed(repository_);
  }
  void TearDown() override {
    if (!drained_) ServedTest::TearDown();
  }
  // slotmatch/`version` made of the teacher.
  static void AddVersion(const std::string& version) {
    const fs::path folder = fs::path(repository_) / "slotmatch" / version;
    fs::copy(kTeacher, folder);
    const std::string manifest = (folder / "manifest.textproto").string();
    WriteBytes(manifest, absl::StrReplaceAll(FileBytes(manifest),
                                             {{"name: \"slotcontrast\"", "name: \"slotmatch\""},
                                              {"version: \"1\"", "version: \"" + version + "\""}}));
  }
  // slotmatch_client admin `words`; its exit code, and what it printed.
  static int Admin(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"admin", "--server", server_->admin_address()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const auto client = StartProgram("slotmatch_client", folder_ + "/admin.log", arguments);
    const int code = client->Wait(kShortPatience);
    printed_ = client->Printed();
    errors_ = client->Errors();
    return code;
  }
  static v1::SegmentRequest Request(int i) {
    return EncodedRequest(i + 1, Encoded(frames_[i], ".png"));
  }
  static std::vector<v1::SegmentRequest> Requests() {
    std::vector<v1::SegmentRequest> requests = {ConfigRequest()};
    for (int i = 0; i < kFrames; ++i) requests.push_back(Request(i));
    return requests;
  }
  // JSON lines of the server's log; a line that is none fails the test.
  static std::vector<json> LogLines() {
    std::vector<json> lines;
    for (const std::string& line : Lines(server_->process().Errors())) {
      lines.push_back(json::parse(line, nullptr, /*allow_exceptions=*/false));
      EXPECT_TRUE(lines.back().is_object()) << line;
    }
    return lines;
  }
  static int CountLogged(const std::string& message) {
    const auto lines = LogLines();
    return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&](const json& line) {
      return line.value("message", "") == message;
    }));
  }

  inline static bool drained_ = false;
  inline static std::string repository_, printed_, errors_;
  inline static std::unique_ptr<Stub> stub_;
  inline static std::vector<cv::Mat> frames_;
};

TEST_F(Administration, WrongCommandLinesAndAnswersHaveTheirExitCodes) {
  EXPECT_EQ(Admin({}), 64);
  EXPECT_EQ(Admin({"dance"}), 64);
  EXPECT_THAT(errors_, HasSubstr("no admin command 'dance'"));
  EXPECT_EQ(Admin({"close"}), 64);
  EXPECT_EQ(Admin({"close", "nobody"}), 66);
  EXPECT_THAT(errors_, HasSubstr("there is no session 'nobody'"));
  EXPECT_EQ(Admin({"--json", "stats"}), 0) << errors_;
  const json stats = json::parse(printed_, nullptr, false);
  ASSERT_TRUE(stats.is_object()) << printed_;
  EXPECT_EQ(stats.at("log_level"), "info");
  EXPECT_FALSE(stats.at("draining").get<bool>());
}

TEST_F(Administration, ReloadChangesNoMaskOfARunningSession) {
  const StreamEnd undisturbed = RunStream(stub_.get(), Requests());
  ASSERT_TRUE(undisturbed.status.ok());
  ASSERT_EQ(undisturbed.answers.size(), static_cast<size_t>(kFrames));

  AddVersion("2");
  grpc::ClientContext context;
  const auto stream = stub_->Segment(&context);
  v1::SegmentResponse response;
  ASSERT_TRUE(stream->Write(ConfigRequest()));
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.opened().model().version(), "1");
  for (int i = 0; i < kFrames; ++i) {
    if (i == kFrames / 2) {
      ASSERT_EQ(Admin({"reload", "slotmatch"}), 0) << errors_;
      EXPECT_THAT(printed_, HasSubstr("slotmatch  2  ready"));
    }
    ASSERT_TRUE(stream->Write(Request(i)));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(SameResult(response.result(), undisturbed.answers[i].result())) << i;
  }
  const StreamEnd fresh = RunStream(stub_.get(), Requests());
  ASSERT_TRUE(fresh.status.ok());
  EXPECT_EQ(fresh.opened->model().version(), "2");
  EXPECT_FALSE(SameResult(fresh.answers[0].result(), undisturbed.answers[0].result()));

  ASSERT_EQ(Admin({"models"}), 0) << errors_;
  EXPECT_THAT(printed_, HasSubstr("retiring"));
  ASSERT_EQ(Admin({"sessions"}), 0) << errors_;
  EXPECT_THAT(printed_, HasSubstr("slotmatch/1"));
  stream->WritesDone();
  while (stream->Read(&response)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(Eventually(
      [] {
        const std::string metrics = HttpGet(server_->metrics_port(), "/metrics");
        return MetricValue(metrics, "slotmatch_model_info", "version=\"1\"") == -1;
      },
      kShortPatience));
}

TEST_F(Administration, DamagedModelIsRefusedByNameAndTheOldOneGoesOn) {
  AddVersion("3");
  const std::string weights = repository_ + "/slotmatch/3/weights.safetensors";
  std::string bytes = FileBytes(weights);
  bytes[bytes.size() / 2] ^= 1;
  WriteBytes(weights, bytes);
  EXPECT_EQ(Admin({"reload", "slotmatch", "3"}), 65);
  EXPECT_THAT(errors_, HasSubstr("slotmatch/3/weights.safetensors"));
  EXPECT_EQ(Admin({"load", "../../etc", "1"}), 64);
  const StreamEnd end = RunStream(stub_.get(), {ConfigRequest(), Request(0)});
  EXPECT_TRUE(end.status.ok());
  EXPECT_EQ(end.opened->model().version(), "2");
}

TEST_F(Administration, LogLevelTakesEffectAndTraceparentReachesTheLog) {
  EXPECT_EQ(CountLogged("frame done"), 0);
  ASSERT_EQ(Admin({"log-level", "debug"}), 0) << errors_;
  grpc::ClientContext context;
  context.AddMetadata("traceparent", std::string("00-") + kTraceId + "-00f067aa0ba902b7-01");
  const auto stream = stub_->Segment(&context);
  v1::SegmentResponse response;
  stream->Write(ConfigRequest());
  stream->Write(Request(0));
  stream->WritesDone();
  while (stream->Read(&response)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  const auto traced = [](const char* message) {
    const auto lines = LogLines();
    return std::count_if(lines.begin(), lines.end(), [&](const json& line) {
      return line.value("message", "") == message && line.value("trace_id", "") == kTraceId &&
             line.value("span_id", "").size() == 16;
    });
  };
  for (const char* message : {"session opened", "frame done", "session closed", "rpc"}) {
    EXPECT_TRUE(Eventually([&] { return traced(message) == 1; }, kShortPatience)) << message;
  }
  ASSERT_EQ(Admin({"log-level", "info"}), 0) << errors_;
  EXPECT_EQ(printed_, "it was debug\n");
  EXPECT_EQ(Admin({"log-level", "chatty"}), 64);
}

TEST_F(Administration, TraceHasEveryStageOfEveryFrame) {
  const std::string file = folder_ + "/trace.json";
  ASSERT_EQ(Admin({"trace-start"}), 0) << errors_;
  EXPECT_TRUE(RunStream(stub_.get(), Requests()).status.ok());
  ASSERT_EQ(Admin({"trace-stop", "--out", file}), 0) << errors_;
  const json trace = ReadJson(file);
  ASSERT_TRUE(trace.is_object());
  std::map<std::string, std::vector<std::string>> open;  // by span id, the innermost last
  std::map<std::string, int> spans;
  for (const json& event : trace.at("traceEvents")) {
    const std::string phase = event.at("ph"), name = event.at("name");
    if (phase == "b") {
      open[event.at("id")].push_back(name);
      ++spans[name];
    } else if (phase == "e") {
      auto& names = open[event.at("id")];
      ASSERT_FALSE(names.empty());
      EXPECT_EQ(names.back(), name);
      names.pop_back();
    }
  }
  EXPECT_EQ(open.size(), static_cast<size_t>(kFrames));
  for (const auto& [id, names] : open) EXPECT_TRUE(names.empty()) << id;
  for (const char* stage : {"frame", "receive", "decode", "queue", "batch", "compute", "mask",
                            "encode", "write_wait"}) {
    EXPECT_EQ(spans[stage], kFrames) << stage;
  }
  EXPECT_EQ(Admin({"trace-stop", "--out", file}), 78);
}

TEST_F(Administration, ZDrainEndsTheServerWith0) {
  drained_ = true;
  ASSERT_EQ(Admin({"drain"}), 0) << errors_;
  EXPECT_EQ(server_->process().Wait(kShortPatience), 0);
}

}  // namespace
}  // namespace slotmatch
