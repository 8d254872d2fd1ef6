#include "client/slot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "core/weights/safetensors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;

v1::ModelInfo Model() {
  v1::ModelInfo model;
  model.set_num_slots(2);
  model.set_slot_dim(3);
  return model;
}

v1::FrameResult ResultOfFrame(uint64_t frame_id) {
  v1::FrameResult result;
  result.set_frame_id(frame_id);
  for (int k = 0; k < 2; ++k) {
    const float first = static_cast<float>(frame_id) + 0.5f * static_cast<float>(k);
    const float vector[] = {first, 1, 2};
    result.add_slots()->set_vector(vector, sizeof(vector));
    result.mutable_slots(k)->set_temporal_id(10 * frame_id + k);
  }
  return result;
}

template <typename T>
std::vector<T> ValuesOf(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class SlotFileTest : public testing::Test {
 protected:
  const TempDir dir_;
  const std::string path_ = dir_.File("slots.safetensors");
};

TEST_F(SlotFileTest, HoldsARowForEveryResult) {
  auto file = SlotFile::Create(path_, Model());
  ASSERT_THAT(file, IsOk());
  for (const uint64_t id : {3, 4, 9}) ASSERT_THAT((*file)->Add(ResultOfFrame(id)), IsOk());
  ASSERT_THAT((*file)->Close(), IsOk());
  const auto read = SafetensorsFile::Open(path_);
  ASSERT_THAT(read, IsOk());
  const auto& tensors = (*read)->tensors();
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_THAT(tensors.at("slots").shape, ElementsAre(3, 2, 3));
  EXPECT_THAT(tensors.at("temporal_ids").shape, ElementsAre(3, 2));
  EXPECT_THAT(ValuesOf<float>(tensors.at("slots")),
              ElementsAre(3, 1, 2, 3.5, 1, 2, 4, 1, 2, 4.5, 1, 2, 9, 1, 2, 9.5, 1, 2));
  EXPECT_THAT(ValuesOf<int64_t>(tensors.at("frame_ids")), ElementsAre(3, 4, 9));
  EXPECT_THAT(ValuesOf<int64_t>(tensors.at("temporal_ids")), ElementsAre(30, 31, 40, 41, 90, 91));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 1)
      << "nothing is left beside it";
}

TEST_F(SlotFileTest, MayBeEmpty) {
  auto file = SlotFile::Create(path_, Model());
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->Close(), IsOk());
  const auto read = SafetensorsFile::Open(path_);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT((*read)->tensors().at("slots").shape, ElementsAre(0, 2, 3));
}

TEST_F(SlotFileTest, ResultsOfAnotherShapeAreDataLoss) {
  auto file = SlotFile::Create(path_, Model());
  ASSERT_THAT(file, IsOk());
  v1::FrameResult result = ResultOfFrame(7);
  result.mutable_slots(1)->mutable_vector()->pop_back();
  EXPECT_THAT((*file)->Add(result), FailsWith(absl::StatusCode::kDataLoss, "2 slots of 3 numbers"));
  result.mutable_slots()->RemoveLast();
  EXPECT_THAT((*file)->Add(result), FailsWith(absl::StatusCode::kDataLoss, "frame 7"));
}

TEST_F(SlotFileTest, FileThatCannotBeMadeIsReported) {
  EXPECT_THAT(SlotFile::Create(dir_.File("no/such/folder"), Model()),
              FailsWith(absl::StatusCode::kAlreadyExists, "no/such/folder"));
}

}  // namespace
}  // namespace slotmatch
