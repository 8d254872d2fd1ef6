// The whole path with nothing replaced: the built server, the built client, the shipped models, a
// real video file over a real socket.
#include <signal.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "tests/integration/programs.h"

namespace slotmatch {
namespace {

// Cases that leave the server as it is.
class EndToEnd : public ServedTest {
 protected:
  static void SetUpTestSuite() { StartShared("end_to_end", {kStudent, kTeacher}); }

  static std::unique_ptr<Process> SendVideo(const std::string& out,
                                            const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--video", kSampleVideo, "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return StartClient(server_->address(), folder_ + "/client.log", arguments);
  }
};

TEST_F(EndToEnd, VideoGivesOverlayMasksSlotsAndSummary) {
  const std::string out = folder_ + "/out";
  const auto client = SendVideo(out, {"--max-frames", "8"});
  ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();

  const auto summary = ReadJson(out + "/summary.json");
  EXPECT_EQ(summary.at("frames").get<int>(), 8);
  EXPECT_EQ(summary.at("frames_failed").get<int>(), 0);
  EXPECT_EQ(CountLines(out + "/slots.jsonl"), 8);
  for (const std::string& line : Lines(FileBytes(out + "/slots.jsonl"))) {
    EXPECT_EQ(nlohmann::json::parse(line).at("slots").size(), 11u);
  }
  cv::VideoCapture source(kSampleVideo, cv::CAP_FFMPEG);
  const cv::Mat mask = cv::imread(out + "/masks/00007.png", cv::IMREAD_UNCHANGED);
  ASSERT_FALSE(mask.empty());
  EXPECT_EQ(mask.cols, static_cast<int>(source.get(cv::CAP_PROP_FRAME_WIDTH)));
  EXPECT_EQ(mask.rows, static_cast<int>(source.get(cv::CAP_PROP_FRAME_HEIGHT)));
  cv::VideoCapture overlay(out + "/overlay.mp4", cv::CAP_FFMPEG);
  EXPECT_NEAR(overlay.get(cv::CAP_PROP_FPS), source.get(cv::CAP_PROP_FPS), 0.01);
  cv::Mat frame;
  int frames = 0;
  while (overlay.read(frame)) ++frames;
  EXPECT_EQ(frames, 8);
  EXPECT_EQ(overlay.get(cv::CAP_PROP_FRAME_WIDTH), mask.cols);
  EXPECT_EQ(overlay.get(cv::CAP_PROP_FRAME_HEIGHT), mask.rows);
}

TEST_F(EndToEnd, SameVideoTwiceGivesTheSameMasks) {
  for (const char* run : {"/first", "/second"}) {
    const auto client = SendVideo(folder_ + run, {"--max-frames", "4"});
    ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
  }
  ExpectSameMasks(folder_ + "/first", folder_ + "/second", 4, 1);
}

TEST_F(EndToEnd, TeacherAndStudentAreServedByName) {
  for (const char* model : {"slotcontrast", "slotmatch"}) {
    const std::string out = folder_ + "/" + model;
    const auto client = SendVideo(out, {"--max-frames", "2", "--model", model});
    ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
    EXPECT_EQ(ReadJson(out + "/summary.json").at("model").at("name").get<std::string>(), model);
  }
}

TEST_F(EndToEnd, UnknownModelIsOneClearLine) {
  const auto client = SendVideo(folder_ + "/unknown", {"--model", "no_such_model"});
  EXPECT_EQ(client->Wait(kShortPatience), 66) << client->Output();
  ExpectOneErrorLine(*client, "slotmatch_client", "no_such_model");
}

// Cases that stop their own server.
class Shutdown : public ::testing::Test {
 protected:
  void SetUp() override { folder_ = FreshFolder("shutdown"); }
  void TearDown() override {
    server_.reset();
    RemoveUnlessFailed(folder_);
  }

  void Start(const std::vector<std::string>& arguments) {
    server_ =
        std::make_unique<ServerProcess>(folder_, std::vector<std::string>{kStudent}, arguments);
    ASSERT_TRUE(server_->ready()) << server_->process().Output();
  }

  std::unique_ptr<Process> Client(const std::vector<std::string>& arguments) {
    return StartClient(server_->address(), folder_ + "/client.log", arguments);
  }

  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(Shutdown, HealthFollowsTheServer) {
  Start({});
  EXPECT_EQ(Client({"--health"})->Wait(kShortPatience), 0);
  EXPECT_EQ(Client({"--health", "--health-service", "liveness"})->Wait(kShortPatience), 0);
  server_->process().Signal(SIGTERM);
  ASSERT_EQ(server_->process().Wait(kShortPatience), 0) << server_->process().Output();
  EXPECT_EQ(Client({"--health", "--connect-timeout", "1"})->Wait(kShortPatience), 69);
}

TEST_F(Shutdown, SigtermInTheMiddleAnswersWhatIsInFlightAndEndsBothCleanly) {
  const std::string out = folder_ + "/out";
  Start({"--set", "shutdown.drain_deadline_ms=1000"});
  const auto client = Client({"--video", kSampleVideo, "--out", out, "--resume-for", "0"});
  ASSERT_TRUE(Eventually([&] { return CountLines(out + "/slots.jsonl") >= 5; }, kRunPatience))
      << client->Output();
  server_->process().Signal(SIGTERM);
  EXPECT_EQ(server_->process().Wait(kShortPatience), 0) << server_->process().Output();
  const int code = client->Wait(kShortPatience);
  // 69: the server went away before the video's end; 0: it drained in time.
  EXPECT_TRUE(code == 69 || code == 0) << code << "\n" << client->Output();
  const auto summary = ReadJson(out + "/summary.json");
  EXPECT_EQ(summary.at("frames").get<int>(), CountLines(out + "/slots.jsonl"));
  EXPECT_FALSE(cv::imread(out + "/masks/00004.png", cv::IMREAD_UNCHANGED).empty());
  cv::VideoCapture overlay(out + "/overlay.mp4", cv::CAP_FFMPEG);
  cv::Mat frame;
  EXPECT_TRUE(overlay.read(frame));
}

TEST_F(Shutdown, DrainLetsARunningStreamEndWell) {
  const std::string out = folder_ + "/out";
  Start({"--set", "shutdown.drain_deadline_ms=60000"});
  const auto client = Client({"--video", kSampleFrames, "--out", out});
  ASSERT_TRUE(Eventually([&] { return CountLines(out + "/slots.jsonl") >= 1; }, kRunPatience))
      << client->Output();
  server_->process().Signal(SIGTERM);
  EXPECT_EQ(client->Wait(kShortPatience), 0) << client->Output();
  EXPECT_EQ(server_->process().Wait(kShortPatience), 0) << server_->process().Output();
  EXPECT_EQ(ReadJson(out + "/summary.json").at("frames").get<int>(), 8);
}

TEST_F(Shutdown, SigkillOfTheServerIs69WithWhatHasComeBack) {
  Start({});
  const std::string out = folder_ + "/out";
  const auto client = Client({"--video", kSampleVideo, "--out", out, "--resume-for", "0"});
  ASSERT_TRUE(Eventually([&] { return CountLines(out + "/slots.jsonl") >= 2; }, kRunPatience))
      << client->Output();
  server_->process().Signal(SIGKILL);
  EXPECT_EQ(client->Wait(kShortPatience), 69) << client->Output();
  EXPECT_EQ(ReadJson(out + "/summary.json").at("frames").get<int>(),
            CountLines(out + "/slots.jsonl"));
}

}  // namespace
}  // namespace slotmatch
