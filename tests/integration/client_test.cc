// The client program against the real server: every source of frames, every way to fail, with the
// exit code and the one line that says why.
#include <signal.h>

#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kProgram[] = "slotmatch_client";

class Client : public ServedTest {
 protected:
  static void SetUpTestSuite() { StartShared("client", {kStudent}); }

  void SetUp() override {
    ServedTest::SetUp();
    out_ =
        absl::StrCat(folder_, "/", testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  // The client's exit code with `arguments`, run to its end.
  int Run(const std::vector<std::string>& arguments, const std::string& input = "/dev/null") {
    return RunAgainst(server_->address(), arguments, input);
  }

  int RunAgainst(const std::string& address, const std::vector<std::string>& arguments,
                 const std::string& input = "/dev/null") {
    client_ = StartClient(address, folder_ + "/client.log", arguments, input);
    return client_->Wait(kRunPatience);
  }

  std::string out_;
  std::unique_ptr<Process> client_;
};

TEST_F(Client, FolderOfPictures) {
  ASSERT_EQ(Run({"--video", kSampleFrames, "--out", out_}), 0) << client_->Output();
  EXPECT_EQ(client_->Errors(), "");
  EXPECT_EQ(ReadJson(out_ + "/summary.json").at("frames").get<int>(), 8);
  EXPECT_EQ(CountLines(out_ + "/slots.jsonl"), 8);
}

TEST_F(Client, MotionJpegOnStandardInputEqualsTheSamePicturesInAFolder) {
  const std::string folder = folder_ + "/pictures";
  fs::create_directories(folder);
  std::string stream;
  int number = 0;
  for (const cv::Mat& frame : VideoFrames(kSampleVideo, 4)) {
    const std::string jpeg = Encoded(frame, ".jpg");
    WriteBytes(absl::StrFormat("%s/%05d.jpg", folder, number++), jpeg);
    stream += jpeg;
  }
  WriteBytes(folder_ + "/stream.mjpeg", stream);
  ASSERT_EQ(Run({"--video", "-", "--out", out_}, folder_ + "/stream.mjpeg"), 0)
      << client_->Output();
  ASSERT_EQ(Run({"--video", folder, "--out", out_ + "_folder"}), 0) << client_->Output();
  EXPECT_EQ(ReadJson(out_ + "/summary.json").at("frames").get<int>(), 4);
  ExpectSameMasks(out_, out_ + "_folder", 4, 1);
}

TEST_F(Client, StandardInputThatEndsInsideAPictureIs65WithPartialResults) {
  const std::string jpeg = Encoded(VideoFrames(kSampleVideo, 1).front(), ".jpg");
  WriteBytes(folder_ + "/cut.mjpeg", jpeg + jpeg + jpeg.substr(0, jpeg.size() / 2));
  EXPECT_EQ(Run({"--video", "-", "--out", out_}, folder_ + "/cut.mjpeg"), 65);
  ExpectOneErrorLine(*client_, kProgram, "in the middle of a picture");
  EXPECT_EQ(ReadJson(out_ + "/summary.json").at("frames").get<int>(), 2);
  EXPECT_EQ(Run({"--video", "-"}), 65);
  ExpectOneErrorLine(*client_, kProgram, "no Motion JPEG");
}

TEST_F(Client, WaysOfSendingAndStridesGiveResults) {
  ASSERT_EQ(Run({"--video", kSampleVideo, "--out", out_, "--max-frames", "3", "--stride", "4",
                 "--codec", "png"}),
            0)
      << client_->Output();
  ASSERT_EQ(Run({"--video", kSampleVideo, "--out", out_ + "_raw", "--max-frames", "3", "--stride",
                 "4", "--codec", "raw"}),
            0)
      << client_->Output();
  EXPECT_EQ(ReadJson(out_ + "/summary.json").at("frames").get<int>(), 3);
  ExpectSameMasks(out_, out_ + "_raw", 3, 1);
}

TEST_F(Client, MaskSizes) {
  ASSERT_EQ(Run({"--video", kSampleFrames, "--out", out_, "--masks", "grid", "--max-frames", "2"}),
            0)
      << client_->Output();
  const cv::Mat mask = cv::imread(out_ + "/masks/00001.png", cv::IMREAD_UNCHANGED);
  const cv::Mat frame = cv::imread(std::string(kSampleFrames) + "/00000.jpg");
  EXPECT_EQ(mask.size(), frame.size());  // scaled up again
  ASSERT_EQ(Run({"--video", kSampleFrames, "--out", out_ + "_none", "--masks", "none",
                 "--max-frames", "2"}),
            0)
      << client_->Output();
  EXPECT_EQ(CountLines(out_ + "_none/slots.jsonl"), 2);
  EXPECT_FALSE(fs::exists(out_ + "_none/masks/00000.png"));
  EXPECT_FALSE(fs::exists(out_ + "_none/overlay.mp4"));
}

TEST_F(Client, JsonSummaryOnStandardOutputIsTheSummaryFile) {
  ASSERT_EQ(Run({"--video", kSampleFrames, "--out", out_, "--json", "--max-frames", "2"}), 0);
  const auto printed = nlohmann::json::parse(client_->Printed(), nullptr, false);
  ASSERT_TRUE(printed.is_object()) << client_->Printed();
  EXPECT_EQ(printed, ReadJson(out_ + "/summary.json"));
  EXPECT_EQ(printed.at("status").get<std::string>(), "OK");
  EXPECT_EQ(printed.at("model").at("name").get<std::string>(), "slotmatch");
}

TEST_F(Client, ADamagedPictureFailsAloneInTheMiddle) {
  // The header is whole, so the client's decoder shows it; the server refuses the missing end.
  const std::string folder = folder_ + "/damaged";
  fs::create_directories(folder);
  const std::string jpeg = Encoded(VideoFrames(kSampleVideo, 1).front(), ".jpg");
  WriteBytes(folder + "/0.jpg", jpeg);
  WriteBytes(folder + "/1.jpg", jpeg.substr(0, jpeg.size() - 100));
  WriteBytes(folder + "/2.jpg", jpeg);
  ASSERT_EQ(Run({"--video", folder, "--out", out_}), 0) << client_->Output();
  const auto summary = ReadJson(out_ + "/summary.json");
  EXPECT_EQ(summary.at("frames").get<int>(), 2);
  EXPECT_EQ(summary.at("frames_failed").get<int>(), 1);
  EXPECT_THAT(client_->Printed(), HasSubstr("1 frames failed"));
}

TEST_F(Client, HalfWrittenVideoIs65WithPartialResults) {
  const std::string bytes = FileBytes(kSampleVideo);
  const std::string cut = folder_ + "/cut.mp4";
  WriteBytes(cut, bytes.substr(0, bytes.size() / 5));
  EXPECT_EQ(Run({"--video", cut, "--out", out_}), 65) << client_->Output();
  ExpectOneErrorLine(*client_, kProgram, "cut short");
  const auto summary = ReadJson(out_ + "/summary.json");
  const int frames = summary.at("frames").get<int>();
  EXPECT_GT(frames, 0);
  EXPECT_LT(frames, 72);
  EXPECT_EQ(summary.at("status").get<std::string>(), "DATA_LOSS");
  EXPECT_EQ(CountLines(out_ + "/slots.jsonl"), frames);
  EXPECT_TRUE(fs::exists(absl::StrFormat("%s/masks/%05d.png", out_, frames - 1)));
  EXPECT_FALSE(VideoFrames(out_ + "/overlay.mp4", 1).empty());
}

TEST_F(Client, WhatIsNoVideoIs65) {
  WriteBytes(folder_ + "/text.mp4", "this is no video\n");
  WriteBytes(folder_ + "/empty.mp4", "");
  WriteBytes(folder_ + "/header.mp4", FileBytes(kSampleVideo).substr(0, 1000));
  for (const char* name : {"/text.mp4", "/empty.mp4", "/header.mp4"}) {
    EXPECT_EQ(Run({"--video", folder_ + name, "--out", out_}), 65) << client_->Output();
    ExpectOneErrorLine(*client_, kProgram, name);
  }
}

TEST_F(Client, MissingInputIs66) {
  EXPECT_EQ(Run({"--video", folder_ + "/no_such.mp4", "--out", out_}), 66);
  ExpectOneErrorLine(*client_, kProgram, "/no_such.mp4");
  fs::create_directories(folder_ + "/empty_folder");
  EXPECT_EQ(Run({"--video", folder_ + "/empty_folder", "--out", out_}), 66);
  ExpectOneErrorLine(*client_, kProgram, "/empty_folder");
  EXPECT_EQ(Run({"--video", kSampleVideo, "--model", "no_such_model"}), 66);
  ExpectOneErrorLine(*client_, kProgram, "no_such_model");
}

TEST_F(Client, DeadServerIs69) {
  EXPECT_EQ(RunAgainst("127.0.0.1:1", {"--video", kSampleVideo, "--connect-timeout", "1"}), 69);
  ExpectOneErrorLine(*client_, kProgram, "127.0.0.1:1");
  EXPECT_EQ(RunAgainst("no.such.host.invalid:1", {"--list-models", "--connect-timeout", "1"}), 69);
  ExpectOneErrorLine(*client_, kProgram, "no.such.host.invalid:1");
}

TEST_F(Client, BadCommandLinesAre64) {
  const std::vector<std::pair<std::vector<std::string>, const char*>> rows = {
      {{"--no-such-flag"}, "--no-such-flag"},
      {{"--video"}, "--video needs a value"},
      {{}, "--video SOURCE or --list FILE is needed"},
      {{"--video", kSampleVideo, "stray"}, "stray"},
      {{"--video", kSampleVideo, "--masks", "huge"}, "--masks"},
      {{"--video", kSampleVideo, "--codec", "gif"}, "--codec"},
      {{"--video", kSampleVideo, "--stride", "0"}, "--stride"},
      {{"--video", kSampleVideo, "--max-frames", "many"}, "--max-frames"},
      {{"--video", kSampleVideo, "--jpeg-quality", "101"}, "--jpeg-quality"}};
  for (const auto& [arguments, fragment] : rows) {
    EXPECT_EQ(Run(arguments), 64) << fragment << client_->Output();
    ExpectOneErrorLine(*client_, kProgram, fragment);
  }
}

TEST_F(Client, FolderThatCannotBeWrittenIs73) {
  WriteBytes(folder_ + "/file", "in the way");
  EXPECT_EQ(Run({"--video", kSampleVideo, "--out", folder_ + "/file/out"}), 73);
  ExpectOneErrorLine(*client_, kProgram, folder_ + "/file/out");
}

TEST_F(Client, InterruptedIs130WithWhatHasComeBack) {
  client_ = StartClient(server_->address(), folder_ + "/client.log",
                        {"--video", kSampleVideo, "--out", out_});
  ASSERT_TRUE(Eventually([&] { return CountLines(out_ + "/slots.jsonl") >= 2; }, kRunPatience));
  client_->Signal(SIGINT);
  EXPECT_EQ(client_->Wait(kShortPatience), 130) << client_->Output();
  ExpectOneErrorLine(*client_, kProgram, "interrupted");
  const int frames = ReadJson(out_ + "/summary.json").at("frames").get<int>();
  EXPECT_EQ(frames, CountLines(out_ + "/slots.jsonl"));
  EXPECT_LT(frames, 72);
}

TEST_F(Client, TellsAboutItselfAndTheServer) {
  ASSERT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(client_->Printed(), testing::StartsWith("slotmatch_client "));
  ASSERT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(client_->Printed(), HasSubstr("--video SOURCE"));
  ASSERT_EQ(Run({"--list-models"}), 0);
  EXPECT_THAT(client_->Printed(), HasSubstr("slotmatch "));
  EXPECT_THAT(client_->Printed(), HasSubstr("(default)"));
  EXPECT_EQ(Run({"--health"}), 0);
}

}  // namespace
}  // namespace slotmatch
