// Live sources of the client and the load generator, with the real programs.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kRtspServer[] = "/usr/bin/rtsp-server-perl";
constexpr char kFfmpeg[] = "/usr/bin/ffmpeg";

class Tools : public ServedTest {
 protected:
  static void SetUpTestSuite() { StartShared("tools", {kStudent}); }

  void SetUp() override {
    ServedTest::SetUp();
    out_ =
        absl::StrCat(folder_, "/", testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  std::unique_ptr<Process> Client(std::vector<std::string> arguments,
                                  const std::string& input = "/dev/null") {
    arguments.insert(arguments.end(), {"--out", out_});
    return StartClient(server_->address(), folder_ + "/client.log", arguments, input);
  }
  std::unique_ptr<Process> Bench(std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "--server") == arguments.end()) {
      arguments.insert(arguments.end(), {"--server", server_->address()});
    }
    return StartProgram("slotmatch_bench", folder_ + "/bench.log", arguments);
  }
  nlohmann::json Summary() const { return ReadJson(out_ + "/summary.json"); }

  std::string out_;
};

// A camera as RTSP has it: ffmpeg feeds a real RTSP server.
class RtspCamera {
 public:
  explicit RtspCamera(const std::string& folder)
      : folder_(folder),
        to_clients_(FreePort()),
        from_camera_(FreePort()),
        server_({kRtspServer, "-c", absl::StrCat(to_clients_), "-s", absl::StrCat(from_camera_),
                 "--client_listen_address", "127.0.0.1", "--source_listen_address", "127.0.0.1"},
                folder + "/rtsp.log") {}

  std::string url() const { return absl::StrCat("rtsp://127.0.0.1:", to_clients_, "/camera"); }
  // True when it sends; tried again, because the server takes a moment to listen.
  bool Start() {
    return Eventually(
        [this] {
          feed_ = std::make_unique<Process>(
              std::vector<std::string>{kFfmpeg, "-nostdin", "-loglevel", "error", "-re",
                                       "-stream_loop", "-1", "-i", kSampleVideo, "-an", "-c:v",
                                       "mpeg4", "-g", "10", "-f", "rtsp",
                                       absl::StrCat("rtsp://127.0.0.1:", from_camera_, "/camera")},
              folder_ + "/ffmpeg.log");
          return feed_->Wait(absl::Seconds(2)) == -1;
        },
        kShortPatience);
  }
  void Unplug() { feed_.reset(); }

 private:
  const std::string folder_;
  const int to_clients_, from_camera_;
  Process server_;
  std::unique_ptr<Process> feed_;
};

TEST_F(Tools, RtspCameraIsFollowedAcrossABreakAndNeverHeldBack) {
  if (!fs::exists(kRtspServer)) GTEST_SKIP() << "rtsp-server-perl is not installed";
  if (!fs::exists(kFfmpeg)) GTEST_SKIP() << "ffmpeg is not installed";
  setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp", 1);  // all this server speaks
  RtspCamera camera(folder_);
  ASSERT_TRUE(camera.Start());
  const auto client = Client({"--video", camera.url(), "--max-frames", "30", "--masks", "none"});
  const std::string lines = out_ + "/slots.jsonl";
  ASSERT_TRUE(
      Eventually([&] { return CountLines(lines) >= 10 || !client->running(); }, kShortPatience));
  ASSERT_TRUE(client->running()) << client->Output();
  camera.Unplug();
  ASSERT_TRUE(camera.Start());
  EXPECT_EQ(client->Wait(kShortPatience), 0) << client->Output();
  unsetenv("OPENCV_FFMPEG_CAPTURE_OPTIONS");
  const nlohmann::json summary = Summary();
  EXPECT_EQ(summary.at("frames").get<int>() + summary.at("frames_dropped").get<int>(), 30);
  const std::vector<std::string> answers = Lines(FileBytes(lines));
  ASSERT_EQ(answers.size(), 30u);
  const auto last = nlohmann::json::parse(answers.back(), nullptr, false);
  EXPECT_GE(last.at("frame_id").get<int>(), 29) << "ids are those of the camera's frames";
}

TEST_F(Tools, StreamThatDoesNotAnswerIs69) {
  const auto client = Client({"--video", absl::StrCat("rtsp://127.0.0.1:", FreePort(), "/x")});
  EXPECT_EQ(client->Wait(kShortPatience), 69);
  ExpectOneErrorLine(*client, "slotmatch_client", "does not answer");
}

TEST_F(Tools, DeviceThatIsNoCameraIs69) {
  const auto client = Client({"--video", "/dev/null"});
  EXPECT_EQ(client->Wait(kShortPatience), 69);
  ExpectOneErrorLine(*client, "slotmatch_client", "camera /dev/null cannot be opened");
}

TEST_F(Tools, RawFramesOnStandardInputEqualTheSamePicturesByPattern) {
  std::string pixels;
  int number = 0;
  for (const cv::Mat& frame : VideoFrames(kSampleVideo, 3)) {
    pixels.append(reinterpret_cast<const char*>(frame.data), frame.total() * frame.elemSize());
    WriteBytes(absl::StrFormat("%s/f%05d.png", folder_, number++), Encoded(frame, ".png"));
  }
  WriteBytes(folder_ + "/pixels", pixels);
  const std::string from_pipe = out_;
  auto client = Client({"--video", "-", "--stdin-format", "bgr24:640x360", "--codec", "raw"},
                       folder_ + "/pixels");
  ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
  out_ += "_pattern";
  client = Client({"--video", folder_ + "/f*.png"});
  ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
  EXPECT_EQ(Summary().at("frames").get<int>(), 3);
  ExpectSameMasks(from_pipe, out_, 3, 1);
}

TEST_F(Tools, BenchMeasuresEveryLevelAndWritesItDown) {
  const std::string csv = folder_ + "/bench.csv", json = folder_ + "/bench.json";
  const auto bench =
      Bench({"--sessions", "1,2", "--fps", "2", "--warm-up", "0", "--window", "1", "--max-windows",
             "3", "--stability", "1000", "--csv", csv, "--json", json});
  ASSERT_EQ(bench->Wait(kRunPatience), 0) << bench->Output();
  EXPECT_EQ(Lines(bench->Printed()).size(), 3u) << bench->Printed();
  EXPECT_EQ(CountLines(csv), 3);
  const nlohmann::json levels = ReadJson(json);
  ASSERT_EQ(levels.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(levels[i].at("sessions").get<int>(), i + 1);
    EXPECT_GT(levels[i].at("results").get<int>(), 0);
    EXPECT_GT(levels[i].at("p99_ms").get<double>(), 0);
    EXPECT_EQ(levels[i].at("errors").get<int>(), 0);
  }
}

TEST_F(Tools, BenchSaysByItsExitCodeWhatIsWrong) {
  const std::vector<std::string> quick = {"--warm-up",     "0", "--window", "0.3",
                                          "--max-windows", "3"};
  struct Row {
    std::vector<std::string> arguments;
    int code;
    const char* fragment;
  };
  for (const Row& row :
       {Row{{"--fps", "fast"}, 64, "--fps"}, Row{{"--distribution", "bell"}, 64, "--distribution"},
        Row{{"--video", "no_such.mp4"}, 66, "no_such.mp4"},
        Row{{"--model", "nobody"}, 66, "nobody"},
        Row{{"--server", "127.0.0.1:1", "--connect-timeout", "1"}, 69, "no server"},
        Row{{"--max-p99", "0.001", "--stability", "1000"}, 75, "--max-p99"}}) {
    std::vector<std::string> arguments = quick;
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const auto bench = Bench(arguments);
    EXPECT_EQ(bench->Wait(kShortPatience), row.code) << bench->Output();
    ExpectOneErrorLine(*bench, "slotmatch_bench", row.fragment);
  }
}

}  // namespace
}  // namespace slotmatch
