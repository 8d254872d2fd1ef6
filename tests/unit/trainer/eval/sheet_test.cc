#include "trainer/eval/sheet.h"

#include <gtest/gtest.h>

#include "core/base/files.h"
#include "tests/support/pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

SheetCell Cell(int width, int height, uint8_t label) {
  return {MakePlainPicture(width, height, 0, 0, 0),
          {width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height, label)}};
}

TEST(WriteSheet, LaysRowsBelowEachOther) {
  TempDir folder;
  const std::string path = folder.File("sheet.png");
  ASSERT_THAT(WriteSheet(path, {{Cell(48, 24, 1), Cell(48, 24, 0)}, {Cell(24, 24, 2)}}), IsOk());
  const Image sheet = DecodeImage(ReadFile(path).value(), ImageLimits{}).value();
  EXPECT_EQ(sheet.width, 480);
  EXPECT_EQ(sheet.height, 120 + 240);
  const auto red = [&](int x, int y) { return sheet.rgb[(y * 480 + x) * 3]; };
  EXPECT_NEAR(red(100, 60), 0.55 * PaletteColor(1).r, 2);
  EXPECT_EQ(red(300, 60), 0);   // label 0 leaves the picture as it is
  EXPECT_EQ(red(300, 200), 0);  // past the end of a row
}

TEST(WriteSheet, PicturesWithoutLabelsAreShownPlain) {
  TempDir folder;
  const std::string path = folder.File("sheet.png");
  ASSERT_THAT(WriteSheet(path, {{{MakePlainPicture(10, 5000, 9, 9, 9), {}}}}), IsOk());
  const Image sheet = DecodeImage(ReadFile(path).value(), ImageLimits{}).value();
  EXPECT_EQ(sheet.height, 480);  // very tall pictures are squeezed
  EXPECT_EQ(sheet.rgb[0], 9);
}

TEST(WriteSheet, NeedsAFrame) {
  TempDir folder;
  EXPECT_THAT(WriteSheet(folder.File("sheet.png"), {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "needs a frame"));
}

}  // namespace
}  // namespace slotmatch
