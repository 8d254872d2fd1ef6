#include "client/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <opencv2/imgproc.hpp>

namespace slotmatch {
namespace {

int Distance(const cv::Vec3b& a, const cv::Vec3b& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

v1::Slot* AddSlot(uint32_t index, uint64_t id, const cv::Rect& box, v1::FrameResult* result) {
  v1::Slot* slot = result->add_slots();
  slot->set_index(index);
  slot->set_temporal_id(id);
  slot->mutable_box()->set_left(box.x);
  slot->mutable_box()->set_top(box.y);
  slot->mutable_box()->set_width(box.width);
  slot->mutable_box()->set_height(box.height);
  return slot;
}

// Left half slot 0, right half slot 1.
LabelMap Halves(int width, int height) {
  LabelMap map{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height, 0)};
  for (int i = 0; i < width * height; ++i) map.labels[i] = i % width >= width / 2;
  return map;
}

// Recorded videos and users' habits depend on these: they may never change.
TEST(OverlayColor, StaysTheSameForEver) {
  const cv::Vec3b expected[] = {{38, 142, 255}, {204, 31, 63},  {38, 255, 61},  {99, 31, 204},
                                {255, 187, 38}, {31, 204, 200}, {255, 38, 196}, {106, 204, 31}};
  for (size_t id = 0; id < std::size(expected); ++id) {
    EXPECT_EQ(OverlayColor(id), expected[id]) << id;
  }
}

TEST(OverlayColor, NeighboursAndTheFirstIdsAreFarApart) {
  for (uint64_t id = 0; id < 1000; ++id) {
    EXPECT_GT(Distance(OverlayColor(id), OverlayColor(id + 1)), 150) << id;
  }
  for (uint64_t a = 0; a < 8; ++a) {
    for (uint64_t b = 0; b < a; ++b) {
      EXPECT_GT(Distance(OverlayColor(a), OverlayColor(b)), 60) << a << " " << b;
    }
  }
}

TEST(OverlayColor, TakesAnyId) {
  EXPECT_EQ(OverlayColor(~uint64_t{0}), OverlayColor(~uint64_t{0}));
}

TEST(DrawOverlay, TintsEverySlotInTheColourOfItsId) {
  v1::FrameResult result;
  AddSlot(0, 5, {0, 0, 20, 20}, &result);
  AddSlot(1, 2, {20, 0, 20, 20}, &result);
  const cv::Mat gray(20, 40, CV_8UC3, cv::Scalar(100, 100, 100));
  const cv::Mat picture = DrawOverlay(gray, Halves(40, 20), result);
  ASSERT_EQ(picture.size(), gray.size());
  for (const auto& [x, id] : {std::pair{5, 5}, {30, 2}}) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_NEAR(picture.at<cv::Vec3b>(10, x)[c], 0.55 * 100 + 0.45 * OverlayColor(id)[c], 1);
    }
  }
  EXPECT_EQ(picture.at<cv::Vec3b>(10, 19), OverlayColor(5)) << "the edge is drawn in full";
  EXPECT_EQ(gray.at<cv::Vec3b>(10, 5), cv::Vec3b(100, 100, 100)) << "the frame itself is untouched";
}

TEST(DrawOverlay, ColourFollowsTheIdNotTheIndex) {
  v1::FrameResult one, two;
  AddSlot(0, 3, {}, &one);
  AddSlot(1, 4, {}, &one);
  AddSlot(0, 4, {}, &two);
  AddSlot(1, 3, {}, &two);
  const cv::Mat frame(10, 20, CV_8UC3, cv::Scalar(10, 20, 30));
  const cv::Mat a = DrawOverlay(frame, Halves(20, 10), one);
  const cv::Mat b = DrawOverlay(frame, Halves(20, 10), two);
  EXPECT_EQ(a.at<cv::Vec3b>(5, 5), b.at<cv::Vec3b>(5, 15));
}

TEST(DrawOverlay, WritesTheIdIntoLargeObjectsOnly) {
  v1::FrameResult large, small;
  AddSlot(0, 7, {0, 0, 60, 60}, &large)->set_area_ratio(0.5);
  AddSlot(0, 7, {0, 0, 60, 60}, &small)->set_area_ratio(0.001);
  const cv::Mat frame(60, 60, CV_8UC3, cv::Scalar(50, 50, 50));
  const LabelMap map{60, 60, std::vector<uint8_t>(3600, 0)};
  const cv::Mat with = DrawOverlay(frame, map, large), without = DrawOverlay(frame, map, small);
  EXPECT_GT(cv::norm(with, without, cv::NORM_L1), 0);
  EXPECT_EQ(without.at<cv::Vec3b>(0, 0), without.at<cv::Vec3b>(30, 30));
}

TEST(DrawOverlay, BoxesAndIndexesOutsideDoNoHarm) {
  v1::FrameResult result;
  const uint32_t huge = 4000000000u;
  for (v1::Slot* slot :
       {AddSlot(0, 1, {1000, 1000, 5, 5}, &result), AddSlot(1, 2, {10, 5, 500, 500}, &result),
        AddSlot(255, 3, {0, 0, 20, 10}, &result), AddSlot(huge, 4, {0, 0, 0, 0}, &result)}) {
    slot->set_area_ratio(0.5);
  }
  result.mutable_slots(3)->mutable_box()->set_left(huge);
  result.mutable_slots(3)->mutable_box()->set_width(huge);
  const cv::Mat frame(10, 20, CV_8UC3, cv::Scalar(10, 20, 30));
  EXPECT_EQ(DrawOverlay(frame, Halves(20, 10), result).size(), frame.size());
}

}  // namespace
}  // namespace slotmatch
