#include "trainer/data/annotation_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr AnnotationKeys kImages{"images", "image_id"};
using absl::StatusCode;

class AnnotationIndexTest : public testing::Test {
 protected:
  absl::StatusOr<AnnotationIndex> Open(const std::string& text,
                                       const AnnotationKeys& keys = kImages) {
    return AnnotationIndex::Open(folder_.Write("index.json", text), keys);
  }
  TempDir folder_;
};

TEST_F(AnnotationIndexTest, FindsTheAnnotationsOfEachItem) {
  // Annotations before items, nested objects with the same keys, white space, escapes.
  const auto index = Open(R"({"info": {"id": 9, "images": [{"id": 3}]},
    "annotations": [ {"id": 1, "image_id": 20, "segmentation": {"id": 5, "counts": [1]}},
      {"id":2,"image_id":10,"iscrowd":1,"segmentation":[]},
      {"image_id": 10 , "x": "}\"]\u00e4" , "bbox": [ 1, 2.5 ]},{"image_id": 20, "n": 4} ],
    "images": [{"id": 20, "file_name": "b.jpg", "width": 5, "height": 4, "id2": 7},
               {"file_name": "a/c.jpg", "id": 10, "license": {"id": 4}}], "categories": null})");
  ASSERT_THAT(index, IsOk());
  ASSERT_EQ(index->items().size(), 2u);
  EXPECT_EQ(index->items()[0].id, 20);
  EXPECT_EQ(index->items()[0].width, 5);
  EXPECT_EQ(index->items()[0].height, 4);
  EXPECT_THAT(index->items()[1].files, ElementsAre("a/c.jpg"));
  EXPECT_EQ(index->num_annotations(), 3);
  const auto first = index->Annotations(0);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ((*first)[0]["segmentation"]["counts"], json::array({1}));
  EXPECT_EQ((*first)[1]["n"], 4);
  const auto second = index->Annotations(1);
  ASSERT_EQ(second->size(), 1u);
  EXPECT_EQ((*second)[0]["bbox"][1], 2.5);
}

TEST_F(AnnotationIndexTest, ReadsVideosLongerThanItsBuffer) {
  json file = {{"videos", json::array()}, {"annotations", json::array()}};
  for (int v = 0; v < 300; ++v) {
    json names = json::array();
    for (int f = 0; f < 40; ++f) names.push_back(std::to_string(v) + "/" + std::to_string(f));
    file["videos"].push_back({{"id", v}, {"file_names", names}});
    file["annotations"].push_back({{"video_id", v}, {"text", std::string(1000, 'a' + v % 26)}});
  }
  const auto index = Open(file.dump(1), {"videos", "video_id"});
  ASSERT_THAT(index, IsOk());
  ASSERT_EQ(index->items().size(), 300u);
  for (const size_t v : {0u, 131u, 299u}) {
    EXPECT_EQ(index->items()[v].files.size(), 40u);
    EXPECT_EQ(index->Annotations(v)->at(0), file["annotations"][v]);
  }
}

TEST_F(AnnotationIndexTest, NamesWhatIsWrong) {
  EXPECT_THAT(Open("{\"images\": [{\"id\": 1"),
              FailsWith(StatusCode::kDataLoss, "index.json is no JSON from"));
  EXPECT_THAT(Open(""), FailsWith(StatusCode::kDataLoss, "is no JSON"));
  EXPECT_THAT(Open("[]"), FailsWith(StatusCode::kDataLoss, "has no list \"images\""));
  EXPECT_THAT(Open(R"({"images": [{"id": 1}]})"),
              FailsWith(StatusCode::kDataLoss, "id 1, names no file"));
  EXPECT_THAT(Open(R"({"images": [{"file_name": "a"}]})"),
              FailsWith(StatusCode::kDataLoss, "[0] has no id"));
  EXPECT_THAT(Open(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]})"),
              FailsWith(StatusCode::kDataLoss, "id 1 occurs twice"));
  for (const char* name : {"../a", "/etc/a", "b/../../a", ""}) {
    EXPECT_THAT(Open(json{{"images", {{{"id", 1}, {"file_name", name}}}}}.dump()),
                FailsWith(StatusCode::kDataLoss, "leaves the dataset's folder"));
  }
  EXPECT_THAT(Open(std::string(100000, '[')), FailsWith(StatusCode::kDataLoss, "nested deeper"));
  EXPECT_THAT(AnnotationIndex::Open(folder_.File("none.json"), kImages),
              FailsWith(absl::StatusCode::kNotFound, "none.json"));
}

TEST_F(AnnotationIndexTest, DropsAnnotationsOfNoItem) {
  const auto index =
      Open(R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2}, {}]})");
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ(index->num_annotations(), 0);
  EXPECT_TRUE(index->Annotations(0)->empty());
}

TEST_F(AnnotationIndexTest, NoticesThatTheFileChanged) {
  const auto index =
      Open(R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1}]})");
  folder_.Write("index.json", "{}");
  EXPECT_THAT(index->Annotations(0), FailsWith(StatusCode::kDataLoss, "has changed"));
}

}  // namespace
}  // namespace slotmatch
