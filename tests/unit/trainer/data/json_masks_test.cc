#include "trainer/data/json_masks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/status_matchers.h"
#include "trainer/data/dataset.h"

namespace slotmatch {
namespace {

using nlohmann::json;

using absl::StatusCode;

LabelMap Empty() { return {3, 2, std::vector<uint8_t>(6)}; }

absl::Status Add(const char* segmentation, uint8_t id, LabelMap* map) {
  return AddObject(json::parse(segmentation), id, map);
}

TEST(AddObject, TakesEveryForm) {
  LabelMap map = Empty();
  EXPECT_THAT(Add("null", 1, &map), IsOk());
  EXPECT_THAT(Add("[]", 1, &map), IsOk());
  EXPECT_EQ(map.labels, Empty().labels);
  EXPECT_THAT(Add(R"({"size": [2, 3], "counts": [0, 2, 4]})", 1, &map), IsOk());
  EXPECT_THAT(Add(R"({"size": [2, 3], "counts": "411"})", 2, &map), IsOk());
  EXPECT_EQ(map.labels, (std::vector<uint8_t>{1, 0, 2, 1, 0, 0}));
  map = Empty();
  EXPECT_THAT(Add("[[0, 0, 2, 0, 2, 2, 0, 2]]", 3, &map), IsOk());
  EXPECT_EQ(map.labels, (std::vector<uint8_t>{3, 3, 0, 3, 3, 0}));
}

TEST(AddObject, SharedPixelsAreOverlap) {
  LabelMap map = Empty();
  for (const uint8_t id : {4, 5, 6}) {
    EXPECT_THAT(Add(R"({"size": [2, 3], "counts": [2, 2, 2]})", id, &map), IsOk());
  }
  EXPECT_EQ(map.labels, (std::vector<uint8_t>{0, kOverlapLabel, 0, 0, kOverlapLabel, 0}));
}

TEST(AddObject, PolygonsOfOneObjectDoNotOverlap) {
  LabelMap map = Empty();
  EXPECT_THAT(Add("[[0, 0, 2, 0, 2, 2, 0, 2], [0, 0, 2, 0, 2, 2, 0, 2]]", 1, &map), IsOk());
  EXPECT_EQ(map.labels, (std::vector<uint8_t>{1, 1, 0, 1, 1, 0}));
}

TEST(AddObject, RefusesEverythingElse) {
  LabelMap map = Empty();
  EXPECT_THAT(Add("7", 1, &map),
              FailsWith(StatusCode::kDataLoss, "neither null, a list nor an object"));
  EXPECT_THAT(Add("[7]", 1, &map), FailsWith(StatusCode::kDataLoss, "a polygon is not a list"));
  EXPECT_THAT(Add(R"([[0, 0, "x", 0, 1, 1]])", 1, &map),
              FailsWith(StatusCode::kDataLoss, "than numbers"));
  EXPECT_THAT(Add("[[0, 0, 1]]", 1, &map), FailsWith(StatusCode::kDataLoss, "come in pairs"));
  EXPECT_THAT(Add(R"({"counts": [6]})", 1, &map), FailsWith(StatusCode::kDataLoss, "\"size\""));
  EXPECT_THAT(Add(R"({"size": [3, 2], "counts": [6]})", 1, &map),
              FailsWith(StatusCode::kDataLoss, "a mask has size [3,2], its frame [2,3]"));
  EXPECT_THAT(Add(R"({"size": [2, 3], "counts": [1.5]})", 1, &map),
              FailsWith(StatusCode::kDataLoss, "than numbers"));
  EXPECT_THAT(Add(R"({"size": [2, 3], "counts": 6})", 1, &map),
              FailsWith(StatusCode::kDataLoss, "neither a list nor a string"));
  EXPECT_THAT(Add(R"({"size": [2, 3], "counts": [5]})", 1, &map),
              FailsWith(StatusCode::kDataLoss, "fill 5"));
}

}  // namespace
}  // namespace slotmatch
