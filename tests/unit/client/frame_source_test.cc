#include "client/frame_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <opencv2/videoio.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/client/read_all.h"

namespace slotmatch {
namespace {

// A Motion JPEG file of `count` frames.
std::string WriteVideo(const TempDir& dir, int count) {
  const std::string path = dir.File("video.avi");
  cv::VideoWriter writer(path, cv::CAP_OPENCV_MJPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                         12, cv::Size(64, 48));
  for (int i = 0; i < count; ++i) writer.write(cv::Mat(48, 64, CV_8UC3, cv::Scalar::all(i * 5)));
  writer.release();
  return path;
}

// `jpeg` with an Exif segment that says how the camera was held.
std::string WithOrientation(const std::string& jpeg, char orientation) {
  std::string exif("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 25);
  exif += orientation;
  exif += std::string("\0\0\0\0\0\0", 6);
  const auto length = static_cast<char>(exif.size() + 2);
  return jpeg.substr(0, 2) + "\xFF\xE1" + std::string(1, '\0') + length + exif + jpeg.substr(2);
}

TEST(OpenFrameSource, MissingFilesAreNotFound) {
  EXPECT_THAT(OpenFrameSource("/nonexistent/video.mp4"),
              FailsWith(absl::StatusCode::kNotFound, "/nonexistent/video.mp4"));
  EXPECT_THAT(OpenFrameSource(""), FailsWith(absl::StatusCode::kNotFound, ""));
}

TEST(OpenFrameSource, FilesThatAreNoVideoAreDataLoss) {
  const TempDir dir;
  EXPECT_THAT(OpenFrameSource(dir.Write("x.mp4", "this is no video")),
              FailsWith(absl::StatusCode::kDataLoss, "x.mp4"));
  EXPECT_THAT(OpenFrameSource(dir.Write("empty.mp4", "")),
              FailsWith(absl::StatusCode::kDataLoss, "empty.mp4"));
}

TEST(OpenFrameSource, CamerasAndStreamsThatDoNotAnswerAreUnavailable) {
  EXPECT_THAT(OpenFrameSource("987"), FailsWith(absl::StatusCode::kUnavailable, "camera 987"));
  EXPECT_THAT(OpenFrameSource("rtsp://127.0.0.1:1/x"),
              FailsWith(absl::StatusCode::kUnavailable, "stream"));
}

TEST(OpenFrameSource, DeviceThatIsNoCameraIsUnavailable) {
  EXPECT_THAT(OpenFrameSource("/dev/null"),
              FailsWith(absl::StatusCode::kUnavailable, "camera /dev/null"));
}

TEST(OpenFrameSource, PatternsGiveTheFilesTheyMatchInNameOrder) {
  const TempDir dir;
  for (const int width : {12, 10, 11}) {
    dir.Write(absl::StrCat("f", width, ".png"), PngBytes(MakePicture(width, 6)));
  }
  dir.Write("g13.png", PngBytes(MakePicture(13, 6)));
  const auto source = OpenFrameSource(dir.File("f*.png"));
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ((*source)->num_frames(), 3);
  EXPECT_FALSE((*source)->live());
  std::vector<ClientFrame> frames;
  ASSERT_THAT(ReadAll(source->get(), &frames), IsOk());
  ASSERT_EQ(frames.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(frames[i].bgr.cols, 10 + i);
  EXPECT_THAT(OpenFrameSource(dir.File("h*.png")),
              FailsWith(absl::StatusCode::kNotFound, "no file matches"));
}

TEST(OpenFrameSource, FileWithAPatternsCharactersInItsNameIsAFile) {
  const TempDir dir;
  std::filesystem::create_directory(dir.File("in[1]"));
  dir.Write("in[1]/a.png", PngBytes(MakePicture(8, 6)));
  EXPECT_THAT(OpenFrameSource(dir.File("in[1]")), IsOk());
}

TEST(FolderSource, GivesPicturesInNameOrderWithTheirOwnBytes) {
  const TempDir dir;
  const std::string png = PngBytes(MakePicture(8, 6, 1)), jpeg = JpegBytes(MakePicture(9, 7, 2));
  dir.Write("b.png", png);
  dir.Write("a.JPG", jpeg);
  dir.Write("readme.txt", "no picture");
  const auto source = OpenFrameSource(dir.path());
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ((*source)->num_frames(), 2);
  std::vector<ClientFrame> frames;
  ASSERT_THAT(ReadAll(source->get(), &frames), IsOk());
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].encoded, jpeg);
  EXPECT_EQ(frames[0].bgr.size(), cv::Size(9, 7));
  EXPECT_EQ(frames[1].encoded, png);
  const Image picture = MakePicture(8, 6, 1);
  EXPECT_EQ(frames[1].bgr.at<cv::Vec3b>(0, 0),
            cv::Vec3b(picture.rgb[2], picture.rgb[1], picture.rgb[0]));
}

TEST(FolderSource, FolderWithoutPicturesIsNotFound) {
  const TempDir dir;
  dir.Write("readme.txt", "no picture");
  EXPECT_THAT(OpenFrameSource(dir.path()), FailsWith(absl::StatusCode::kNotFound, dir.path()));
}

TEST(FolderSource, DamagedPictureIsNamedAfterTheOnesBefore) {
  const TempDir dir;
  dir.Write("1.png", PngBytes(MakePicture(8, 6)));
  dir.Write("2.png", "no picture");
  std::vector<ClientFrame> frames;
  EXPECT_THAT(ReadAll(OpenFrameSource(dir.path())->get(), &frames),
              FailsWith(absl::StatusCode::kDataLoss, "2.png"));
  EXPECT_EQ(frames.size(), 1u);
}

// The server does not turn pictures, so masks only fit a picture that is not turned here either.
TEST(FolderSource, PicturesAreNotTurnedByTheirOrientationMark) {
  const TempDir dir;
  dir.Write("1.jpg", WithOrientation(JpegBytes(MakePicture(24, 10)), 6));
  std::vector<ClientFrame> frames;
  ASSERT_THAT(ReadAll(OpenFrameSource(dir.path())->get(), &frames), IsOk());
  EXPECT_EQ(frames[0].bgr.size(), cv::Size(24, 10));
}

TEST(CaptureSource, GivesEveryFrameOfAVideo) {
  const TempDir dir;
  const auto source = OpenFrameSource(WriteVideo(dir, 20));
  ASSERT_THAT(source, IsOk());
  EXPECT_NEAR((*source)->frames_per_second(), 12, 0.01);
  EXPECT_EQ((*source)->num_frames(), 20);
  std::vector<ClientFrame> frames;
  ASSERT_THAT(ReadAll(source->get(), &frames), IsOk());
  ASSERT_EQ(frames.size(), 20u);
  for (int i = 0; i < 20; ++i) {  // every frame is a picture of its own
    EXPECT_EQ(frames[i].encoded, "");
    EXPECT_NEAR(frames[i].bgr.at<cv::Vec3b>(20, 20)[0], i * 5, 3);
  }
}

TEST(CaptureSource, CutVideoGivesWhatIsThereThenDataLoss) {
  const TempDir dir;
  const std::string whole = ReadFile(WriteVideo(dir, 40)).value();
  const auto source = OpenFrameSource(dir.Write("cut.avi", whole.substr(0, whole.size() / 2)));
  ASSERT_THAT(source, IsOk());
  std::vector<ClientFrame> frames;
  EXPECT_THAT(ReadAll(source->get(), &frames), FailsWith(absl::StatusCode::kDataLoss, "cut.avi"));
  EXPECT_GT(frames.size(), 5u);
  EXPECT_LT(frames.size(), 40u);
}

}  // namespace
}  // namespace slotmatch
