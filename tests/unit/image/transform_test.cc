#include "core/image/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/image/preprocess.h"
#include "tests/support/pictures.h"
#include "tests/unit/image/plain_settings.h"

namespace slotmatch {
namespace {

using config::Preprocessing;
using config::RandomCrop;
using testing::ElementsAre;

std::vector<float> Transformed(const Image& image, const FrameTransform& plan,
                               const Preprocessing& settings = PlainSettings()) {
  std::vector<float> out(size_t{3} * plan.window.height * plan.window.width);
  TransformImage(image, plan, settings, absl::MakeSpan(out));
  return out;
}

// Numbers that repeat in a fixed order.
class Draws {
 public:
  explicit Draws(std::vector<double> values) : values_(std::move(values)) {}
  double operator()() { return values_[next_++ % values_.size()]; }

 private:
  std::vector<double> values_;
  size_t next_ = 0;
};

MATCHER_P4(IsBox, top, left, height, width, "") {
  *result_listener << "top " << arg.top << " left " << arg.left << " height " << arg.height
                   << " width " << arg.width;
  return arg.top == top && arg.left == left && arg.height == height && arg.width == width;
}

TEST(TransformImage, RampHasTheReferencesValues) {
  // Row 0 of a 4x4 ramp i / 15 as 6x6; the first value lies below 0 and is clamped.
  Image ramp{4, 4, {}};
  for (int i = 0; i < 16; ++i) ramp.rgb.insert(ramp.rgb.end(), 3, static_cast<uint8_t>(17 * i));
  const std::vector<float> out =
      Transformed(ramp, PlanTransform(Preprocessing::STRETCH, {4, 4}, {6, 6}));
  const double expected[] = {0, 0.00393518, 0.05771605, 0.09598768, 0.14976856, 0.18263891};
  for (int x = 0; x < 6; ++x) EXPECT_NEAR(out[x], expected[x], 1e-6) << x;
}

TEST(TransformImage, WindowIsAPartOfTheWholeResize) {
  const Image image = MakePicture(23, 17);
  const PixelSize in{23, 17}, out{9, 9};
  const PixelSize size = CoveringSize(in, out);
  const std::vector<float> whole =
      Transformed(image, PlanTransform(Preprocessing::STRETCH, in, size));
  const std::vector<float> part = Transformed(image, PlanCoveringCrop(in, out, 0, 2));
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 9; ++y) {
      for (int x = 0; x < 9; ++x) {
        EXPECT_EQ(part[(c * 9 + y) * 9 + x], whole[(c * size.height + y) * size.width + x + 2]);
      }
    }
  }
}

TEST(TransformImage, FlipMirrorsColumns) {
  const Image image = MakePicture(12, 10);
  for (const auto interpolation : {Preprocessing::BICUBIC, Preprocessing::AREA}) {
    Preprocessing settings = PlainSettings();
    settings.set_interpolation(interpolation);
    FrameTransform plan = PlanTransform(Preprocessing::STRETCH, {12, 10}, {7, 5});
    const std::vector<float> straight = Transformed(image, plan, settings);
    plan.flip = true;
    const std::vector<float> mirrored = Transformed(image, plan, settings);
    for (int row = 0; row < 15; ++row) {
      for (int x = 0; x < 7; ++x) EXPECT_EQ(mirrored[row * 7 + x], straight[row * 7 + 6 - x]);
    }
  }
}

TEST(TransformImage, AreaShowsTheWindow) {
  Preprocessing settings = PlainSettings();
  settings.set_interpolation(Preprocessing::AREA);
  const Image image = MakePicture(24, 8);
  const FrameTransform window = PlanCoveringCrop({24, 8}, {4, 4}, 0, 3);
  const FrameTransform same = PlanResizedCrop({0, 6, 8, 8}, {4, 4});
  EXPECT_EQ(Transformed(image, window, settings), Transformed(image, same, settings));
}

TEST(PlanTransform, CentreRoundsHalvesToEven) {
  const PixelSize out{4, 4};
  EXPECT_THAT(PlanTransform(Preprocessing::CENTER_SQUARE, {11, 10}, out).source,
              IsBox(0, 0, 10, 10));  // 0.5
  EXPECT_THAT(PlanTransform(Preprocessing::CENTER_SQUARE, {13, 10}, out).source,
              IsBox(0, 2, 10, 10));  // 1.5
  EXPECT_THAT(PlanTransform(Preprocessing::CENTER_SQUARE, {10, 15}, out).source,
              IsBox(2, 0, 10, 10));  // 2.5
}

TEST(PlanTransform, ShortSideBecomesTheInputs) {
  const FrameTransform wide = PlanTransform(Preprocessing::SHORT_SIDE, {70, 53}, {42, 42});
  EXPECT_EQ(wide.resized.width, 55);  // floor(70 / 53 * 42)
  EXPECT_EQ(wide.resized.height, 42);
  EXPECT_THAT(wide.window, IsBox(0, 6, 42, 42));  // 6.5
  const FrameTransform tall = PlanTransform(Preprocessing::SHORT_SIDE, {53, 72}, {42, 42});
  EXPECT_EQ(tall.resized.height, 57);
  EXPECT_THAT(tall.window, IsBox(8, 0, 42, 42));  // 7.5
}

TEST(CoveringSize, NeverFallsShort) {
  for (int width = 1; width < 40; ++width) {
    for (int height = 1; height < 40; ++height) {
      const PixelSize size = CoveringSize({width, height}, {14, 10});
      EXPECT_GE(size.width, 14);
      EXPECT_GE(size.height, 10);
      EXPECT_TRUE(size.width == 14 || size.height == 10);
    }
  }
}

TEST(PlanRandomCrop, ShortSideReachesBothEnds) {
  RandomCrop crop;
  crop.set_kind(RandomCrop::SHORT_SIDE);
  EXPECT_THAT(PlanRandomCrop(crop, {70, 53}, {42, 42}, Draws({0.0})).window, IsBox(0, 0, 42, 42));
  EXPECT_THAT(PlanRandomCrop(crop, {70, 53}, {42, 42}, Draws({0.9999})).window,
              IsBox(0, 13, 42, 42));
}

TEST(PlanRandomCrop, ResizedKeepsAreaAndAspect) {
  RandomCrop crop;
  crop.set_kind(RandomCrop::RESIZED);
  for (int seed = 0; seed < 200; ++seed) {
    const PixelBox box =
        PlanRandomCrop(crop, {120, 90}, {8, 8},
                       Draws({std::fmod(seed * 0.618, 1), 0.37, std::fmod(seed * 0.414, 1), 0.81}))
            .source;
    ASSERT_GE(box.top, 0);
    ASSERT_GE(box.left, 0);
    ASSERT_LE(box.top + box.height, 90);
    ASSERT_LE(box.left + box.width, 120);
    const double aspect = static_cast<double>(box.width) / box.height;
    EXPECT_GT(aspect, 0.72);
    EXPECT_LT(aspect, 1.39);
    EXPECT_GT(box.width * box.height, 0.07 * 120 * 90);
  }
}

TEST(PlanRandomCrop, FallsBackToTheCentre) {
  RandomCrop crop;
  crop.set_kind(RandomCrop::RESIZED);
  crop.set_min_area(1.0);
  EXPECT_THAT(PlanRandomCrop(crop, {100, 30}, {8, 8}, Draws({0.5})).source, IsBox(0, 30, 30, 40));
  EXPECT_THAT(PlanRandomCrop(crop, {30, 100}, {8, 8}, Draws({0.5})).source, IsBox(30, 0, 40, 30));
}

TEST(TransformLabels, ThreeToFiveIsNearestExact) {
  const std::vector<uint8_t> row = {0, 1, 2};
  const FrameTransform plan = PlanTransform(Preprocessing::STRETCH, {3, 1}, {5, 1});
  EXPECT_THAT(TransformLabels(row, {3, 1}, plan), ElementsAre(0, 0, 1, 2, 2));
}

TEST(TransformLabels, TakesThePixelUnderTheCentre) {
  const int width = 7, height = 5;
  std::vector<uint8_t> labels(width * height);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<uint8_t>(i);
  for (const PixelSize size : {PixelSize{7, 5}, {14, 10}, {3, 2}, {1, 1}, {20, 4}}) {
    const auto out = TransformLabels(labels, {width, height},
                                     PlanTransform(Preprocessing::STRETCH, {width, height}, size));
    ASSERT_EQ(out.size(), static_cast<size_t>(size.width) * size.height);
    for (int y = 0; y < size.height; ++y) {
      for (int x = 0; x < size.width; ++x) {
        const int from_y = (2 * y + 1) * height / (2 * size.height);
        const int from_x = (2 * x + 1) * width / (2 * size.width);
        EXPECT_EQ(out[y * size.width + x], labels[from_y * width + from_x]) << x << "," << y;
      }
    }
  }
}

TEST(TransformLabels, FollowsCropAndFlip) {
  const std::vector<uint8_t> labels = {0, 1, 2, 3,  //
                                       4, 5, 6, 7};
  FrameTransform plan = PlanTransform(Preprocessing::CENTER_SQUARE, {4, 2}, {2, 2});
  EXPECT_THAT(TransformLabels(labels, {4, 2}, plan), ElementsAre(1, 2, 5, 6));
  plan.flip = true;
  EXPECT_THAT(TransformLabels(labels, {4, 2}, plan), ElementsAre(2, 1, 6, 5));
}

TEST(Preprocess, IsThePlanOfItsGeometry) {
  const Image image = MakePicture(19, 12);
  for (const auto geometry :
       {Preprocessing::STRETCH, Preprocessing::CENTER_SQUARE, Preprocessing::SHORT_SIDE}) {
    Preprocessing settings = PlainSettings();
    settings.set_geometry(geometry);
    std::vector<float> out(3 * 8 * 8);
    Preprocess(image, settings, 8, 8, absl::MakeSpan(out));
    EXPECT_EQ(out, Transformed(image, PlanTransform(geometry, {19, 12}, {8, 8})));
  }
}

}  // namespace
}  // namespace slotmatch
