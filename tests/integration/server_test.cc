// The server program: what it refuses to start with and how it says so, what it measures, and what
// it needs.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kProgram[] = "slotmatch_server";

class Refusals : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { folder_ = FreshFolder("refusals"); }
  static void TearDownTestSuite() { RemoveUnlessFailed(folder_); }

  // Starts the server with `arguments`, which it must refuse.
  static void ExpectRefused(const std::vector<std::string>& arguments, int code,
                            const std::string& fragment) {
    SCOPED_TRACE(fragment);
    const auto server = StartProgram(kProgram, folder_ + "/server.log", arguments);
    EXPECT_EQ(server->Wait(kShortPatience), code) << server->Output();
    ExpectLastErrorLine(*server, kProgram, fragment);
  }

  // models/ with a copy of the student and of its backbone, to be damaged.
  static std::string CopyOfModels(const std::string& name) {
    const std::string root = folder_ + "/" + name;
    for (const char* model : {"slotmatch", "dinov2_vits14"}) {
      fs::create_directories(root + "/" + model);
      fs::copy(fs::path("models") / model / "1", fs::path(root) / model / "1",
               fs::copy_options::recursive);
    }
    return root;
  }

  static void FlipByte(const std::string& path) {
    std::string bytes = FileBytes(path);
    bytes[bytes.size() * 3 / 4] ^= 1;
    WriteBytes(path, bytes);
  }

  inline static std::string folder_;
};

TEST_F(Refusals, SettingsThatCannotBe) {
  const std::string model = kStudent;
  WriteBytes(folder_ + "/unknown.textproto",
             "models { path: \"models/slotmatch/1\" }\nlimits { max_sesions: 3 }\n");
  WriteBytes(folder_ + "/type.textproto", "limits { max_sessions: \"three\" }\n");
  const std::vector<std::pair<std::vector<std::string>, const char*>> rows = {
      {{"--config", folder_ + "/unknown.textproto"}, "unknown.textproto:2"},
      {{"--config", folder_ + "/unknown.textproto"}, "max_sesions"},
      {{"--config", folder_ + "/type.textproto"}, "type.textproto:1"},
      {{"--model", model, "--set", "limits.max_sesions=3"}, "max_sesions"},
      {{"--model", model, "--set", "limits.max_sessions=0"}, "limits.max_sessions is 0"},
      {{"--model", model, "--set", "limits.max_sessions=many"}, "limits.max_sessions"},
      {{"--model", model, "--set", "batching.max_batch_size=1000"}, "batching.max_batch_size"},
      {{"--model", model, "--set", "compute.device=abacus"}, "compute.device"},
      {{"--model", model, "--set", "compute.precision=PRECISION_F3"}, "compute.precision"},
      {{"--model", model, "--set", "log.level=loud"}, "log.level"},
      {{"--model", model, "--listen", "nowhere"}, "listen.grpc_address"},
      {{}, "no model is named"}};
  for (const auto& [arguments, fragment] : rows) ExpectRefused(arguments, 78, fragment);
}

TEST_F(Refusals, WhatIsNotThere) {
  ExpectRefused({"--model", "models/no_such"}, 66, "models/no_such");
  ExpectRefused({"--config", "no_such.textproto"}, 66, "no_such.textproto");
}

TEST_F(Refusals, CommandLines) {
  ExpectRefused({"--no-such-flag"}, 64, "--no-such-flag");
  ExpectRefused({"--model", kStudent, "stray"}, 64, "stray");
}

TEST_F(Refusals, TwoModelsOfOneName) {
  ExpectRefused({"--model", kStudent, "--model", kStudent, "--listen", "127.0.0.1:0"}, 78,
                "two models are named 'slotmatch'");
}

TEST_F(Refusals, DamagedWeightsAreNamed) {
  const std::string head = CopyOfModels("flipped_head");
  FlipByte(head + "/slotmatch/1/weights.safetensors");
  ExpectRefused({"--model", head + "/slotmatch/1"}, 65, "slotmatch/1/weights.safetensors");

  const std::string backbone = CopyOfModels("flipped_backbone");
  FlipByte(backbone + "/dinov2_vits14/1/weights.safetensors");
  ExpectRefused({"--model", backbone + "/slotmatch/1"}, 65, "dinov2_vits14/1/weights.safetensors");

  const std::string cut = CopyOfModels("cut");
  fs::resize_file(cut + "/slotmatch/1/weights.safetensors", 1000);
  ExpectRefused({"--model", cut + "/slotmatch/1"}, 65, "slotmatch/1/weights.safetensors");

  const std::string missing = CopyOfModels("missing");
  fs::remove(missing + "/dinov2_vits14/1/weights.safetensors");
  ExpectRefused({"--model", missing + "/slotmatch/1"}, 66, "weights.safetensors");

  const std::string manifest = CopyOfModels("manifest");
  WriteBytes(manifest + "/slotmatch/1/manifest.textproto", "nmae: \"slotmatch\"\n");
  ExpectRefused({"--model", manifest + "/slotmatch/1"}, 78, "nmae");
}

TEST_F(Refusals, NotARefusalButAnAnswer) {
  const auto run = [](const std::vector<std::string>& arguments) {
    auto server = StartProgram(kProgram, folder_ + "/server.log", arguments);
    EXPECT_EQ(server->Wait(kShortPatience), 0) << server->Output();
    return server->Printed();
  };
  EXPECT_THAT(run({"--version"}), testing::StartsWith("slotmatch_server "));
  EXPECT_THAT(run({"--help"}), HasSubstr("--ready-file FILE"));
  EXPECT_EQ(run({"--config", "configs/serve/default.textproto", "--check-config"}), "");
  const std::string printed =
      run({"--config", "configs/serve/default.textproto", "--print-config"});
  EXPECT_THAT(printed, HasSubstr("max_message_bytes: 16777216"));
  WriteBytes(folder_ + "/printed.textproto", printed);
  EXPECT_EQ(run({"--config", folder_ + "/printed.textproto", "--print-config"}), printed);
}

class Serving : public ServedTest {
 protected:
  static void SetUpTestSuite() { StartShared("serving", {kStudent, kTeacher}); }
};

TEST_F(Serving, TakenPortsAreRefused) {
  const std::string metrics = absl::StrCat("127.0.0.1:", server_->metrics_port());
  for (const auto& [listen, metrics_address, taken] :
       {std::tuple{server_->address(), std::string("none"), server_->address()},
        std::tuple{std::string("127.0.0.1:0"), metrics, metrics}}) {
    const auto second = StartProgram(
        kProgram, folder_ + "/second.log",
        {"--model", kStudent, "--listen", listen, "--metrics", metrics_address, "--admin", "none"});
    EXPECT_EQ(second->Wait(kStartPatience), 69) << second->Output();
    ExpectLastErrorLine(*second, kProgram, taken);
  }
}

TEST_F(Serving, MetricsCountWhatWasServedAndMemoryStaysSmall) {
  const auto scrape = [] { return HttpGet(server_->metrics_port(), "/metrics"); };
  const std::string before = scrape();
  EXPECT_EQ(MetricValue(before, "slotmatch_frames_processed_total"), 0);
  EXPECT_EQ(MetricValue(before, "slotmatch_model_info"), 2);

  const auto stub = ConnectStub(server_->address());
  const std::string jpeg = Encoded(VideoFrames(kSampleVideo, 1).front(), ".jpg");
  for (const char* model : {"slotmatch", "slotcontrast"}) {
    const StreamEnd end = RunStream(
        stub.get(), {ConfigRequest(model), EncodedRequest(1, jpeg), EncodedRequest(2, "no image"),
                     EncodedRequest(3, jpeg), EncodedRequest(4, jpeg)});
    ASSERT_TRUE(end.status.ok()) << end.status.error_message();
    EXPECT_EQ(end.opened->model().name(), model);
    EXPECT_EQ(end.answers.size(), 4u);
  }

  ASSERT_TRUE(Eventually([&] { return MetricValue(scrape(), "slotmatch_sessions_active") == 0; },
                         kShortPatience));
  const std::string after = scrape();
  EXPECT_EQ(MetricValue(after, "slotmatch_frames_processed_total"), 6);
  EXPECT_EQ(MetricValue(after, "slotmatch_frames_received_total", "jpeg"), 6);
  EXPECT_EQ(MetricValue(after, "slotmatch_frames_failed_total", "decode_error"), 2);
  EXPECT_EQ(MetricValue(after, "slotmatch_frame_latency_seconds_count"), 6);
  EXPECT_EQ(MetricValue(after, "slotmatch_frame_stage_duration_seconds_count", "compute"), 6);
  EXPECT_EQ(MetricValue(after, "slotmatch_sessions_opened_total"), 2);
  EXPECT_EQ(MetricValue(after, "slotmatch_sessions_closed_total", "client_done"), 2);
  EXPECT_EQ(MetricValue(after, "grpc_server_handled_total", "grpc_code=\"OK\""), 2);
  EXPECT_GT(MetricValue(after, "slotmatch_engine_busy_seconds_total"), 0);
  EXPECT_GT(MetricValue(after, "process_resident_memory_bytes"), 0);

  EXPECT_LE(PeakRssBytes(server_->process().pid()), int64_t{12} * (1 << 30) / 10);
}

}  // namespace
}  // namespace slotmatch
