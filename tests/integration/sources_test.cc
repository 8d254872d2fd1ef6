// Live and bare sources of the client, with the real programs.
#include <stdlib.h>

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

class Sources : public ServedTest {
 protected:
  static void SetUpTestSuite() { StartShared("sources", {kStudent}); }

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
  nlohmann::json Summary() const { return ReadJson(out_ + "/summary.json"); }

  std::string out_;
};

// A camera as RTSP has it: ffmpeg feeds a real RTSP server.
class RtspCamera {
 public:
  explicit RtspCamera(const std::string& folder)
      : folder_(folder), to_clients_(FreePort()), from_camera_(FreePort()) {}

  std::string url() const { return absl::StrCat("rtsp://127.0.0.1:", to_clients_, "/camera"); }
  // True when it sends; tried again, because the server takes a moment to listen.
  bool Start() {
    server_ = std::make_unique<Process>(
        std::vector<std::string>{kRtspServer, "-c", absl::StrCat(to_clients_), "-s",
                                 absl::StrCat(from_camera_), "--client_listen_address", "127.0.0.1",
                                 "--source_listen_address", "127.0.0.1"},
        folder_ + "/rtsp.log");
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
  // As a camera that loses its power: nothing is said to anyone.
  void Unplug() {
    feed_.reset();
    server_.reset();
  }

 private:
  const std::string folder_;
  const int to_clients_, from_camera_;
  std::unique_ptr<Process> server_, feed_;
};

TEST_F(Sources, RtspCameraIsFollowedAcrossABreakAndNeverHeldBack) {
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

TEST_F(Sources, StreamThatDoesNotAnswerIs69) {
  const auto client = Client({"--video", absl::StrCat("rtsp://127.0.0.1:", FreePort(), "/x")});
  EXPECT_EQ(client->Wait(kShortPatience), 69);
  ExpectOneErrorLine(*client, "slotmatch_client", "does not answer");
}

TEST_F(Sources, DeviceThatIsNoCameraIs69) {
  const auto client = Client({"--video", "/dev/null"});
  EXPECT_EQ(client->Wait(kShortPatience), 69);
  ExpectOneErrorLine(*client, "slotmatch_client", "camera /dev/null cannot be opened");
}

TEST_F(Sources, RawFramesOnStandardInputEqualTheSamePicturesByPattern) {
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

}  // namespace
}  // namespace slotmatch
