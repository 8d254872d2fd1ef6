#include "trainer/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/base/files.h"
#include "tests/support/tiny_model.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

Checkpoint MakeCheckpoint(int64_t step) {
  torch::manual_seed(static_cast<uint64_t>(step));
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.model = {{"a.weight", torch::randn({3, 4})}, {"b", torch::randn({2})}};
  checkpoint.optimizer = {{"a.weight.exp_avg", torch::randn({3, 4})},
                          {"steps_done", torch::full({1}, step, torch::kInt64)}};
  return checkpoint;
}

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class CheckpointTest : public testing::Test {
 protected:
  void Save(int64_t step, int keep = 5) {
    const absl::Status status = SaveCheckpoint(folder_, MakeCheckpoint(step), keep);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Cut(const std::string& file) { fs::resize_file(folder_ + "/" + file, 40); }
  int64_t NewestStep() { return LoadNewestCheckpoint(folder_).value().step; }

  std::string folder_ = FreshDirectory("checkpoints");
};

TEST_F(CheckpointTest, ComesBackBitIdentical) {
  Save(7);
  const Checkpoint expected = MakeCheckpoint(7);
  const absl::StatusOr<Checkpoint> loaded = LoadNewestCheckpoint(folder_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->step, 7);
  ASSERT_EQ(loaded->model.size(), expected.model.size());
  ASSERT_EQ(loaded->optimizer.size(), expected.optimizer.size());
  for (const auto& [key, tensor] : expected.model) {
    EXPECT_TRUE(BitIdentical(loaded->model.at(key), tensor)) << key;
  }
  for (const auto& [key, tensor] : expected.optimizer) {
    EXPECT_TRUE(BitIdentical(loaded->optimizer.at(key), tensor)) << key;
  }
}

TEST_F(CheckpointTest, KeepsTheNewestOnly) {
  for (const int64_t step : {9, 10, 99, 100}) Save(step, 2);
  EXPECT_THAT(Names(folder_), testing::ElementsAre("step_000000099", "step_000000100"));
  EXPECT_EQ(NewestStep(), 100);
  Save(101, 0);  // the one just written is never removed
  EXPECT_THAT(Names(folder_), testing::ElementsAre("step_000000101"));
}

TEST_F(CheckpointTest, DamagedNewestIsPassedOver) {
  Save(1);
  Save(2);
  Cut("step_000000002/model.safetensors");
  EXPECT_EQ(NewestStep(), 1);
  EXPECT_EQ(LoadCheckpoint(folder_ + "/step_000000002").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointTest, MissingHalfIsPassedOver) {
  Save(1);
  Save(2);
  fs::remove(folder_ + "/step_000000002/optimizer.safetensors");
  EXPECT_EQ(NewestStep(), 1);
}

TEST_F(CheckpointTest, FlippedBitIsNoticed) {
  Save(1);
  Save(2);
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    SCOPED_TRACE(name);
    const std::string path = folder_ + "/step_000000002/" + name;
    const std::string bytes = ReadFile(path).value();
    std::string damaged = bytes;
    damaged.back() ^= 1;  // in a number: nothing else would tell
    ASSERT_TRUE(WriteFileAtomically(path, damaged).ok());
    EXPECT_THAT(std::string(LoadCheckpoint(folder_ + "/step_000000002").status().message()),
                testing::HasSubstr(std::string(name) + " does not have its digest"));
    EXPECT_EQ(NewestStep(), 1);
    ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
    EXPECT_EQ(NewestStep(), 2);
  }
}

TEST_F(CheckpointTest, HalvesOfTwoStepsAreRefused) {
  Save(1);
  Save(2);
  fs::copy(folder_ + "/step_000000001/optimizer.safetensors",
           folder_ + "/step_000000002/optimizer.safetensors", fs::copy_options::overwrite_existing);
  EXPECT_EQ(LoadCheckpoint(folder_ + "/step_000000002").status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(NewestStep(), 1);
}

TEST_F(CheckpointTest, DamagedStateIsPassedOver) {
  Save(1);
  Save(2);
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/step_000000002/state.json", "{\"st").ok());
  EXPECT_EQ(NewestStep(), 1);
  fs::remove(folder_ + "/step_000000002/state.json");
  EXPECT_EQ(NewestStep(), 1);
}

TEST_F(CheckpointTest, HeadsOfLossesComeBackApart) {
  Checkpoint checkpoint = MakeCheckpoint(1);
  checkpoint.heads = {{"reconstruction.weight", torch::ones({2, 2})}};
  ASSERT_TRUE(SaveCheckpoint(folder_, checkpoint, 1).ok());
  const Checkpoint loaded = LoadNewestCheckpoint(folder_).value();
  EXPECT_EQ(loaded.model.size(), checkpoint.model.size());
  ASSERT_EQ(loaded.heads.size(), 1u);
  EXPECT_TRUE(BitIdentical(loaded.heads.at("reconstruction.weight"), torch::ones({2, 2})));
}

TEST_F(CheckpointTest, KeepsTheBestBesideTheNewest) {
  EXPECT_EQ(BestCheckpoint(folder_).status().code(), absl::StatusCode::kNotFound);
  const std::pair<int64_t, std::optional<double>> rows[] = {
      {1, 0.3}, {2, 0.5}, {3, 0.4}, {4, 0.5}, {5, std::nullopt}, {6, std::nan("")}};
  for (const auto& [step, score] : rows) {
    Checkpoint checkpoint = MakeCheckpoint(step);
    checkpoint.score = score;
    ASSERT_TRUE(SaveCheckpoint(folder_, checkpoint, 2).ok());
  }
  EXPECT_THAT(Names(folder_),
              testing::ElementsAre("step_000000002", "step_000000005", "step_000000006"));
  EXPECT_EQ(BestCheckpoint(folder_).value(), folder_ + "/step_000000002");
  EXPECT_EQ(LoadCheckpoint(folder_ + "/step_000000002")->score, 0.5);
  EXPECT_EQ(NewestStep(), 6);
}

TEST_F(CheckpointTest, LeftOversOfAnInterruptedWriteAreIgnored) {
  Save(3);
  fs::create_directories(folder_ + "/.tmp_4");
  std::ofstream(folder_ + "/.tmp_4/model.safetensors") << "half";
  EXPECT_EQ(NewestStep(), 3);
  Save(4);
  EXPECT_EQ(NewestStep(), 4);
  EXPECT_THAT(Names(folder_), testing::ElementsAre("step_000000003", "step_000000004"));
}

TEST_F(CheckpointTest, SavingAStepAgainReplacesIt) {
  Save(5);
  Checkpoint other = MakeCheckpoint(5);
  other.model["b"] = torch::ones({2});
  ASSERT_TRUE(SaveCheckpoint(folder_, other, 5).ok());
  EXPECT_TRUE(torch::equal(LoadNewestCheckpoint(folder_)->model.at("b"), torch::ones({2})));
}

TEST_F(CheckpointTest, NothingThereIsNotFound) {
  EXPECT_EQ(LoadNewestCheckpoint(folder_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadNewestCheckpoint(folder_ + "/none").status().code(), absl::StatusCode::kNotFound);
  Save(1);
  Cut("step_000000001/model.safetensors");
  EXPECT_EQ(LoadNewestCheckpoint(folder_).status().code(), absl::StatusCode::kNotFound);
}

// A file that may not grow is what a full disk looks like: nothing that was there is lost.
TEST_F(CheckpointTest, FullDiskLeavesWhatWasThere) {
  Save(1);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 200;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = SaveCheckpoint(folder_, MakeCheckpoint(2), 1);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("File too large"));
  EXPECT_THAT(Names(folder_), testing::ElementsAre("step_000000001"));
  EXPECT_EQ(NewestStep(), 1);
}

TEST_F(CheckpointTest, FolderThatCannotBeWrittenIsAnError) {
  std::ofstream(folder_ + "/file") << "in the way";
  EXPECT_FALSE(SaveCheckpoint(folder_ + "/file", MakeCheckpoint(1), 2).ok());
}

}  // namespace
}  // namespace slotmatch
