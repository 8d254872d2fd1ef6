#include "trainer/eval/pictures.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"

namespace slotmatch {
namespace {

constexpr int kWidth = 160, kHeight = 120;

StripFrame MakeFrame(bool with_truth) {
  StripFrame frame;
  frame.image = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight * 3, 100)};
  frame.prediction = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight, 1)};
  if (with_truth) frame.truth = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight, 2)};
  return frame;
}

EncodedInfo InfoOf(const std::vector<StripFrame>& frames) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "slotmatch" / "strip.png").string();
  const absl::Status status = WriteStrip(path, frames);
  EXPECT_TRUE(status.ok()) << status;
  return ProbeImage(ReadFile(path).value()).value();
}

TEST(WriteStrip, IsOneColumnAFrameAndOneRowAKind) {
  const EncodedInfo one = InfoOf({MakeFrame(false)});
  const EncodedInfo three = InfoOf({MakeFrame(true), MakeFrame(true), MakeFrame(true)});
  EXPECT_EQ(one.format, EncodedInfo::Format::kPng);
  EXPECT_EQ(three.width, 3 * one.width);
  EXPECT_EQ(2 * three.height, 3 * one.height);  // source, prediction and truth
}

}  // namespace
}  // namespace slotmatch
