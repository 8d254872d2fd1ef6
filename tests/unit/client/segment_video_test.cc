#include "client/segment_video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

class SegmentVideoTest : public ServerFixture {
 protected:
  // A folder of `count` pictures as the source.
  SegmentOptions Options(int count) {
    SegmentOptions options;
    std::filesystem::create_directories(dir_.File("in"));
    for (int i = 0; i < count; ++i) {
      dir_.Write(absl::StrCat("in/", 100 + i, ".png"), PngBytes(MakePicture(32, 16, i)));
    }
    options.source = dir_.File("in");
    options.out = dir_.File("out");
    options.progress = false;
    return options;
  }
  const TempDir dir_;
  const Connector connect_ = [this] { return channel_; };
};

TEST_F(SegmentVideoTest, WritesAResultForEveryFrame) {
  StartApp();
  const SegmentReport report = SegmentVideo(connect_, Options(12));
  ASSERT_THAT(report.status, IsOk());
  EXPECT_EQ(report.summary->at("frames"), 12);
  EXPECT_EQ(report.summary->at("objects_tracked"), 3);
  EXPECT_TRUE(std::filesystem::exists(dir_.File("out/masks/00011.png")));
  EXPECT_EQ(fake_->num_frames(), 12);
}

TEST_F(SegmentVideoTest, StrideAndMaxFramesChooseFrames) {
  StartApp();
  SegmentOptions options = Options(12);
  options.stride = 3;
  EXPECT_EQ(SegmentVideo(connect_, options).summary->at("frames"), 4);
  options.max_frames = 2;
  EXPECT_EQ(SegmentVideo(connect_, options).summary->at("frames"), 2);
}

TEST_F(SegmentVideoTest, FramesAreOfTheSchedulingClassAskedFor) {
  StartApp();
  SegmentOptions options = Options(3);
  options.scheduling_class = "batch";
  EXPECT_THAT(SegmentVideo(connect_, options).status, IsOk());
  EXPECT_EQ(Metric("slotmatch_queue_wait_seconds_count{class=\"batch\"}"), 3);
  options.scheduling_class = "express";
  EXPECT_THAT(SegmentVideo(connect_, options).status,
              FailsWith(absl::StatusCode::kInvalidArgument, "express"));
}

TEST_F(SegmentVideoTest, GridAndNoMasksWorkToo) {
  StartApp();
  SegmentOptions options = Options(3);
  options.masks = "grid";
  EXPECT_THAT(SegmentVideo(connect_, options).status, IsOk());
  EXPECT_TRUE(std::filesystem::exists(dir_.File("out/masks/00002.png")));
  options.out = dir_.File("text");
  options.masks = "none";
  EXPECT_THAT(SegmentVideo(connect_, options).status, IsOk());
  EXPECT_FALSE(std::filesystem::exists(dir_.File("text/overlay.mp4")));
}

TEST_F(SegmentVideoTest, WrongOptionsAreUsageErrorsBeforeAnythingIsSent) {
  StartApp();
  const auto expect = [&](const char* text, const std::function<void(SegmentOptions*)>& spoil) {
    SegmentOptions options = Options(1);
    spoil(&options);
    const SegmentReport report = SegmentVideo(connect_, options);
    EXPECT_THAT(report.status, FailsWith(absl::StatusCode::kInvalidArgument, text));
    EXPECT_EQ(report.summary, nullptr);
  };
  expect("--masks is 'all'", [](SegmentOptions* options) { options->masks = "all"; });
  expect("--codec is 'gif'", [](SegmentOptions* options) { options->codec = "gif"; });
  expect("--stride", [](SegmentOptions* options) { options->stride = 0; });
  expect("--max-frames", [](SegmentOptions* options) { options->max_frames = -1; });
  expect("--jpeg-quality", [](SegmentOptions* options) { options->jpeg_quality = 101; });
  EXPECT_EQ(Metric("slotmatch_sessions_opened_total"), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("out")));
}

TEST_F(SegmentVideoTest, MissingSourceIsNotFound) {
  StartApp();
  SegmentOptions options = Options(0);
  options.source = dir_.File("nothing.mp4");
  EXPECT_THAT(SegmentVideo(connect_, options).status,
              FailsWith(absl::StatusCode::kNotFound, "nothing.mp4"));
}

TEST_F(SegmentVideoTest, UnknownModelIsNotFoundAndWritesNothing) {
  StartApp();
  SegmentOptions options = Options(2);
  options.model = "nobody";
  EXPECT_THAT(SegmentVideo(connect_, options).status,
              FailsWith(absl::StatusCode::kNotFound, "nobody"));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("out")));
}

TEST_F(SegmentVideoTest, DamagedSourceKeepsTheResultsBeforeIt) {
  StartApp();
  const SegmentOptions options = Options(4);
  dir_.Write("in/102.png", "no picture");
  const SegmentReport report = SegmentVideo(connect_, options);
  EXPECT_THAT(report.status, FailsWith(absl::StatusCode::kDataLoss, "102.png"));
  ASSERT_NE(report.summary, nullptr);
  EXPECT_EQ(report.summary->at("frames"), 2);
  EXPECT_EQ(report.summary->at("status"), "DATA_LOSS");
}

TEST_F(SegmentVideoTest, FramesTheServerRefusesAreCounted) {
  config_.mutable_limits()->set_max_frame_side_px(100);
  StartApp();
  const SegmentOptions options = Options(3);
  dir_.Write("in/101.png", PngBytes(MakePicture(32, 16)));
  dir_.Write("in/103.png", PngBytes(MakePicture(128, 16)));
  const SegmentReport report = SegmentVideo(connect_, options);
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.summary->at("frames"), 3);
  EXPECT_EQ(report.summary->at("frames_failed"), 1);
}

TEST_F(SegmentVideoTest, StopEndsAsCancelledWithTheResultsUpToThere) {
  StartApp();
  SegmentOptions options = Options(3);
  std::atomic<bool> stop{true};
  options.stop = &stop;
  const SegmentReport report = SegmentVideo(connect_, options);
  EXPECT_THAT(report.status, FailsWith(absl::StatusCode::kCancelled, "interrupted"));
  EXPECT_EQ(report.summary->at("frames"), 0);
}

TEST_F(SegmentVideoTest, ServerThatGoesAwayIsReportedAndTheResultsStay) {
  StartApp();
  SegmentOptions options = Options(40);
  options.resume_for_s = 0;
  fake_->SetDelay(absl::Milliseconds(30));
  std::thread killer([&] {
    Eventually([&] { return fake_->num_frames() >= 3; });
    app_->Drain();
  });
  const SegmentReport report = SegmentVideo(connect_, options);
  killer.join();
  EXPECT_THAT(report.status, FailsWith(absl::StatusCode::kUnavailable, "shut down"));
  ASSERT_NE(report.summary, nullptr);
  EXPECT_GE(report.summary->at("frames").get<int>(), 3);
  EXPECT_LT(report.summary->at("frames").get<int>(), 40);
  EXPECT_EQ(report.summary->at("status"), "UNAVAILABLE");
  EXPECT_TRUE(ReadFile(dir_.File("out/summary.json")).ok());
}

TEST_F(SegmentVideoTest, FolderThatCannotBeWrittenIsReported) {
  StartApp();
  SegmentOptions options = Options(2);
  options.out = dir_.File("in/100.png");
  EXPECT_THAT(SegmentVideo(connect_, options).status,
              FailsWith(absl::StatusCode::kAlreadyExists, "100.png"));
}

}  // namespace
}  // namespace slotmatch
