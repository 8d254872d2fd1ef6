#include "client/stdin_source.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/read_all.h"

namespace slotmatch {
namespace {

// A file that holds `bytes`, as standard input would.
struct Pipe {
  explicit Pipe(const std::string& bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), file.get());
    std::rewind(file.get());
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), std::fclose};
};

class MotionJpegSource : public testing::Test {
 protected:
  absl::Status Read(const std::string& bytes) {
    const Pipe pipe(bytes);
    return ReadAll(OpenStdin("mjpeg", pipe.file.get())->get(), &frames_);
  }
  std::vector<ClientFrame> frames_;
};

TEST_F(MotionJpegSource, SplitsPicturesAndSkipsWhatIsBetween) {
  const std::string a = JpegBytes(MakePicture(32, 24, 1)), b = JpegBytes(MakePicture(16, 8, 2));
  ASSERT_THAT(Read("--boundary\r\n" + a + "\r\n--boundary\r\n" + b), IsOk());
  ASSERT_EQ(frames_.size(), 2u);
  EXPECT_EQ(frames_[0].encoded, a);
  EXPECT_EQ(frames_[1].encoded, b);
  EXPECT_EQ(frames_[1].bgr.size(), cv::Size(16, 8));
}

TEST_F(MotionJpegSource, OtherInputIsDataLoss) {
  EXPECT_THAT(Read(""), FailsWith(absl::StatusCode::kDataLoss, "no Motion JPEG"));
  EXPECT_THAT(Read(std::string(100000, 'x')),
              FailsWith(absl::StatusCode::kDataLoss, "no Motion JPEG"));
}

TEST_F(MotionJpegSource, EndInsideAPictureIsDataLossAfterTheWholeOnes) {
  const std::string jpeg = JpegBytes(MakePicture(32, 24, 1));
  EXPECT_THAT(Read(jpeg + jpeg.substr(0, jpeg.size() / 2)),
              FailsWith(absl::StatusCode::kDataLoss, "middle of a picture"));
  EXPECT_EQ(frames_.size(), 1u);
}

TEST_F(MotionJpegSource, DamagedPictureIsDataLoss) {
  EXPECT_THAT(Read("\xFF\xD8 no picture \xFF\xD9"),
              FailsWith(absl::StatusCode::kDataLoss, "picture 0"));
}

// A thumbnail is a whole JPEG file inside a segment of the picture.
TEST_F(MotionJpegSource, ThumbnailDoesNotEndItsPicture) {
  const std::string jpeg = JpegBytes(MakePicture(32, 24, 1));
  const std::string thumbnail = "Exif" + JpegBytes(MakePicture(8, 8, 2));
  const size_t length = thumbnail.size() + 2;
  const std::string with = jpeg.substr(0, 2) + "\xFF\xE1" + static_cast<char>(length >> 8) +
                           static_cast<char>(length & 0xff) + thumbnail + jpeg.substr(2);
  ASSERT_THAT(Read(with + jpeg), IsOk());
  ASSERT_EQ(frames_.size(), 2u);
  EXPECT_EQ(frames_[0].encoded, with);
  EXPECT_EQ(frames_[0].bgr.size(), cv::Size(32, 24));
}

TEST(RawStdin, PixelsAreReadAsTheFormatSays) {
  struct Row {
    const char* format;
    std::string pixels;  // of 2x1
    cv::Vec3b first;
  };
  for (const Row& row :
       {Row{"bgr24:2x1", "\1\2\3abc", {1, 2, 3}}, Row{"rgb24:2x1", "\1\2\3abc", {3, 2, 1}},
        Row{"gray:2x1", "\7a", {7, 7, 7}}}) {
    SCOPED_TRACE(row.format);
    const Pipe pipe(row.pixels + row.pixels);
    std::vector<ClientFrame> frames;
    ASSERT_THAT(ReadAll(OpenStdin(row.format, pipe.file.get())->get(), &frames), IsOk());
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[1].bgr.size(), cv::Size(2, 1));
    EXPECT_EQ(frames[1].bgr.at<cv::Vec3b>(0, 0), row.first);
    EXPECT_EQ(frames[1].encoded, "");
  }
}

TEST(RawStdin, EndInsideAPictureIsDataLoss) {
  const Pipe pipe("1234567");
  std::vector<ClientFrame> frames;
  EXPECT_THAT(ReadAll(OpenStdin("gray:2x2", pipe.file.get())->get(), &frames),
              FailsWith(absl::StatusCode::kDataLoss, "middle of a picture"));
  EXPECT_EQ(frames.size(), 1u);
}

TEST(RawStdin, FormatsThatAreNoneAreRefused) {
  for (const char* format : {"", "gif", "bgr24", "bgr24:", "bgr24:2", "bgr24:0x5", "bgr24:-1x5",
                             "bgr24:99999x5", "bgr24:2x2x2", "yuv420p:2x2"}) {
    EXPECT_THAT(OpenStdin(format, stdin),
                FailsWith(absl::StatusCode::kInvalidArgument, "--stdin-format"))
        << format;
  }
}

}  // namespace
}  // namespace slotmatch
