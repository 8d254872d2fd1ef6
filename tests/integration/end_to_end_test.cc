// The whole path with nothing replaced: the built server, the built client, the shipped model, a
// real video file over a real socket.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "tests/integration/process.h"

namespace slotmatch {
namespace {

using nlohmann::json;

constexpr absl::Duration kStartPatience = absl::Seconds(90);
constexpr absl::Duration kRunPatience = absl::Seconds(180);

std::string SampleVideo() {
  for (const auto& entry : std::filesystem::directory_iterator("samples")) {
    if (entry.path().extension() == ".mp4") return entry.path().string();
  }
  return "";
}

json ReadJson(const std::string& path) {
  std::ifstream file(path);
  return json::parse(file, nullptr, false);
}

int CountLines(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) ++lines;
  return lines;
}

// One server with the shipped student (and teacher) on free ports.
class EndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(ProgramPath("slotmatch_server"))) {
      GTEST_SKIP() << "slotmatch_server is not built";
    }
    folder_ = FreshFolder("end_to_end");
    StartServer({});
  }

  void StartServer(const std::vector<std::string>& more) {
    const std::string ready = folder_ + "/ready.json";
    std::filesystem::remove(ready);
    std::vector<std::string> command = {
        ProgramPath("slotmatch_server"), "--model", "models/slotmatch/1", "--model",
        "models/slotcontrast/1", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
        "--ready-file", ready};
    command.insert(command.end(), more.begin(), more.end());
    server_ = std::make_unique<Process>(command, folder_ + "/server.log");
    ASSERT_TRUE(Eventually(
        [&] { return std::filesystem::exists(ready) || !server_->running(); }, kStartPatience));
    ASSERT_TRUE(server_->running()) << server_->Output();
    const json info = ReadJson(ready);
    address_ = "127.0.0.1:" + std::to_string(info.at("grpc_port").get<int>());
  }

  std::unique_ptr<Process> StartClient(const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> command = {ProgramPath("slotmatch_client"), "--server", address_};
    if (!out.empty()) {
      more.insert(more.begin(), {"--video", SampleVideo(), "--out", out});
    }
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<Process>(command, folder_ + "/client.log");
  }

  std::string folder_;
  std::string address_;
  std::unique_ptr<Process> server_;
};

TEST_F(EndToEnd, VideoGivesOverlayMasksSlotsAndSummary) {
  const std::string out = folder_ + "/out";
  auto client = StartClient(out, {"--max-frames", "8"});
  ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();

  const json summary = ReadJson(out + "/summary.json");
  EXPECT_EQ(summary.at("frames").get<int>(), 8);
  EXPECT_EQ(CountLines(out + "/slots.jsonl"), 8);
  cv::VideoCapture source(SampleVideo());
  const cv::Mat mask = cv::imread(out + "/masks/00007.png", cv::IMREAD_UNCHANGED);
  ASSERT_FALSE(mask.empty());
  EXPECT_EQ(mask.cols, static_cast<int>(source.get(cv::CAP_PROP_FRAME_WIDTH)));
  EXPECT_EQ(mask.rows, static_cast<int>(source.get(cv::CAP_PROP_FRAME_HEIGHT)));
  cv::VideoCapture overlay(out + "/overlay.mp4");
  cv::Mat frame;
  int frames = 0;
  while (overlay.read(frame)) ++frames;
  EXPECT_EQ(frames, 8);

  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(absl::Seconds(30)), 0) << server_->Output();
}

TEST_F(EndToEnd, SameVideoTwiceGivesTheSameMasks) {
  for (const char* run : {"/first", "/second"}) {
    auto client = StartClient(folder_ + run, {"--max-frames", "4"});
    ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
  }
  for (int i = 0; i < 4; ++i) {
    const std::string name = "/masks/0000" + std::to_string(i) + ".png";
    const cv::Mat a = cv::imread(folder_ + "/first" + name, cv::IMREAD_UNCHANGED);
    const cv::Mat b = cv::imread(folder_ + "/second" + name, cv::IMREAD_UNCHANGED);
    ASSERT_FALSE(a.empty());
    EXPECT_EQ(cv::norm(a, b, cv::NORM_L1), 0) << name;
  }
}

TEST_F(EndToEnd, TeacherAndStudentAreServedByName) {
  for (const char* model : {"slotcontrast", "slotmatch"}) {
    const std::string out = folder_ + "/" + model;
    auto client = StartClient(out, {"--max-frames", "2", "--model", model});
    ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
    EXPECT_NE(ReadJson(out + "/summary.json").dump().find(model), std::string::npos);
  }
}

TEST_F(EndToEnd, SigtermInTheMiddleAnswersWhatIsInFlightAndEndsBothCleanly) {
  const std::string out = folder_ + "/out";
  server_.reset();
  StartServer({"--set", "shutdown.drain_deadline_ms=1000"});
  auto client = StartClient(out, {});
  ASSERT_TRUE(Eventually([&] { return CountLines(out + "/slots.jsonl") >= 5; }, kRunPatience))
      << client->Output();
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(absl::Seconds(30)), 0) << server_->Output();
  const int code = client->Wait(absl::Seconds(30));
  // 69: the server went away before the video's end; 0: it drained in time.
  EXPECT_TRUE(code == 69 || code == 0) << code << "\n" << client->Output();
  const json summary = ReadJson(out + "/summary.json");
  EXPECT_EQ(summary.at("frames").get<int>(), CountLines(out + "/slots.jsonl"));
  EXPECT_FALSE(cv::imread(out + "/masks/00004.png", cv::IMREAD_UNCHANGED).empty());
}

TEST_F(EndToEnd, HealthFollowsTheServer) {
  EXPECT_EQ(StartClient("", {"--health"})->Wait(absl::Seconds(30)), 0);
  server_->Signal(SIGTERM);
  ASSERT_EQ(server_->Wait(absl::Seconds(30)), 0);
  auto client = StartClient("", {"--health"});
  EXPECT_EQ(client->Wait(absl::Seconds(30)), 69) << client->Output();
}

TEST_F(EndToEnd, UnknownModelIsOneClearLine) {
  auto client = StartClient(folder_ + "/out", {"--model", "no_such_model"});
  EXPECT_EQ(client->Wait(absl::Seconds(30)), 66) << client->Output();
  EXPECT_NE(client->Output().find("no_such_model"), std::string::npos);
}

}  // namespace
}  // namespace slotmatch
