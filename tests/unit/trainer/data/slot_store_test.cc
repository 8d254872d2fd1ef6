#include "trainer/data/slot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

// Videos of nothing but a key each.
class NamedVideos : public FeatureStore {
 public:
  explicit NamedVideos(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  int64_t num_videos() const override { return static_cast<int64_t>(keys_.size()); }
  std::string video_name(int64_t video) const override { return keys_[video]; }
  std::string cache_key(int64_t video) const override { return keys_[video]; }
  int64_t num_frames(int64_t) const override { return 9; }
  int64_t skipped_videos() const override { return 0; }
  torch::Tensor Tokens(int64_t, int64_t, int64_t) const override { return {}; }

 private:
  std::vector<std::string> keys_;
};

class SlotStoreTest : public testing::Test {
 protected:
  SlotStore Store() const { return SlotStore(&videos_, kind_, cache_); }
  static torch::Tensor Slots(double tag) { return GoldenFill({2, 3, 4}, tag).to(torch::kFloat32); }
  std::string OnlyFile() const { return fs::directory_iterator(cache_)->path(); }

  std::string cache_ = FreshDirectory("slots");
  NamedVideos videos_{{"first", "second"}};
  SlotKind kind_{"teacher", 2, 3, 4};
};

TEST_F(SlotStoreTest, FindsWhatWasKeptBitForBit) {
  const SlotStore store = Store();
  double tag = 0;
  for (const int64_t video : {0, 1}) {
    for (const int64_t start : {4, 0}) {
      for (const bool flip : {true, false}) {
        EXPECT_FALSE(store.Find({video, start, flip}).defined());
        ASSERT_TRUE(store.Keep({video, start, flip}, Slots(++tag)).ok());
      }
    }
  }
  tag = 0;
  for (const int64_t video : {0, 1}) {
    for (const int64_t start : {4, 0}) {
      for (const bool flip : {true, false}) {
        EXPECT_TRUE(BitIdentical(Store().Find({video, start, flip}), Slots(++tag)));
      }
    }
  }
  EXPECT_FALSE(store.Find({0, 1, false}).defined()) << "a hole is no slots";
  EXPECT_FALSE(store.Find({0, 5, false}).defined());
}

TEST_F(SlotStoreTest, AnotherTeacherClipOrVideoIsNotFound) {
  ASSERT_TRUE(Store().Keep({0, 0, false}, Slots(1)).ok());
  for (const SlotKind& other : {SlotKind{"another", 2, 3, 4}, SlotKind{"teacher", 1, 3, 4},
                                SlotKind{"teacher", 2, 2, 4}, SlotKind{"teacher", 2, 3, 2}}) {
    kind_ = other;
    EXPECT_FALSE(Store().Find({0, 0, false}).defined());
  }
  kind_ = {"teacher", 2, 3, 4};
  videos_ = NamedVideos({"changed", "first"});
  EXPECT_FALSE(Store().Find({0, 0, false}).defined());
  EXPECT_TRUE(Store().Find({1, 0, false}).defined()) << "the key counts, not the place";
}

TEST_F(SlotStoreTest, DamagedAndTornRecordsAreNotFound) {
  ASSERT_TRUE(Store().Keep({0, 0, false}, Slots(1)).ok());
  ASSERT_TRUE(Store().Keep({0, 0, true}, Slots(2)).ok());
  std::fstream file(OnlyFile(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(10);
  file.put('!');
  file.close();
  EXPECT_FALSE(Store().Find({0, 0, false}).defined());
  EXPECT_TRUE(Store().Find({0, 0, true}).defined());
  fs::resize_file(OnlyFile(), fs::file_size(OnlyFile()) - 1);
  EXPECT_FALSE(Store().Find({0, 0, true}).defined());
}

TEST_F(SlotStoreTest, FolderThatIsGoneIsSaid) {
  cache_ += "/nowhere";
  const absl::Status status = Store().Keep({0, 0, false}, Slots(1));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("cannot write"));
}

TEST_F(SlotStoreTest, SlotsOfAnotherShapeAreRefused) {
  EXPECT_THAT(MessageThrownBy([&] {
                (void)Store().Keep({0, 0, false}, torch::zeros({2, 3, 5}));
              }),
              testing::HasSubstr("not [T, K, S] float32"));
}

}  // namespace
}  // namespace slotmatch
