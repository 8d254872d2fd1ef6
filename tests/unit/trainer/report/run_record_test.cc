#include "trainer/report/run_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr char kConfig[] = "name: \"student\" loop { max_steps: 60 seed: 42 }";

class ReadRunTest : public testing::Test {
 protected:
  ReadRunTest() { folder_.Write("train_config.textproto", kConfig); }
  const TempDir folder_;
};

TEST_F(ReadRunTest, ReadsSettingsLossesScoresAndModel) {
  folder_.Write("losses.jsonl", R"({"step":20,"loss":1.5,"note":"text"}
{"step":40,"loss":1.25}
)");
  folder_.Write("scores/davis.json", R"({"image_mbo":0.5})");
  folder_.Write("scores/readme.txt", "no scores");
  folder_.Write("models/student/1/manifest.textproto", "");
  folder_.Write("models/other/2/manifest.textproto", "");
  const absl::StatusOr<RunRecord> run = ReadRun(folder_.path());
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->config.name(), "student");
  EXPECT_THAT(run->series.at("loss"), ElementsAre(Pair(20, 1.5), Pair(40, 1.25)));
  EXPECT_EQ(run->series.count("note"), 0u);
  EXPECT_EQ(run->steps(), 40);
  EXPECT_EQ(run->scores.size(), 1u);
  EXPECT_EQ(run->scores.at("davis")["image_mbo"], 0.5);
  EXPECT_EQ(run->model, folder_.File("models/student/1"));
}

TEST_F(ReadRunTest, RunWithoutALineYetIsARun) {
  const absl::StatusOr<RunRecord> run = ReadRun(folder_.path());
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->steps(), 0);
  EXPECT_EQ(run->model, "");
}

TEST_F(ReadRunTest, LastLineCutShortIsPassedOver) {
  folder_.Write("losses.jsonl", "{\"step\":20,\"loss\":1.5}\n{\"step\":40,\"lo");
  EXPECT_EQ(ReadRun(folder_.path())->steps(), 20);
}

TEST_F(ReadRunTest, DamageIsNamed) {
  folder_.Write("losses.jsonl", "{\"step\":20}\n[1]\n{\"step\":40}\n");
  EXPECT_THAT(std::string(ReadRun(folder_.path()).status().message()),
              HasSubstr("losses.jsonl line 2"));
  folder_.Write("losses.jsonl", "");
  folder_.Write("scores/davis.json", "[]");
  EXPECT_THAT(std::string(ReadRun(folder_.path()).status().message()), HasSubstr("davis.json"));
  EXPECT_EQ(ReadRun(folder_.File("nowhere")).status().code(), absl::StatusCode::kNotFound);
}

TEST(GroupBySeed, PutsSeedsOfOneRecipeTogether) {
  std::vector<RunRecord> runs(4);
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].config.set_name(i == 1 ? "b" : "a");
    runs[i].config.mutable_loop()->set_seed(static_cast<int64_t>(i));
  }
  runs[3].config.mutable_optim()->set_learning_rate(1e-4);
  EXPECT_THAT(GroupBySeed(runs), ElementsAre(ElementsAre(&runs[0], &runs[2]), ElementsAre(&runs[1]),
                                             ElementsAre(&runs[3])));
}

TEST(SpreadOf, IsMeanAndSampleDeviation) {
  EXPECT_DOUBLE_EQ(SpreadOf({3}).mean, 3);
  EXPECT_DOUBLE_EQ(SpreadOf({3}).deviation, 0);
  EXPECT_DOUBLE_EQ(SpreadOf({1, 2, 3}).mean, 2);
  EXPECT_DOUBLE_EQ(SpreadOf({1, 2, 3}).deviation, 1);
}

}  // namespace
}  // namespace slotmatch
