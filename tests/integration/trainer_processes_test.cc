// Several processes train one model: started by --nproc and by torchrun's environment.
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/integration/tiny_training.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kSteps = 30;
constexpr absl::Duration kSeconds = absl::Seconds(20);  // for a job to end, on a busy machine

class TrainerProcesses : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    training_ = std::make_unique<TinyTraining>("trainer_processes", kSteps);
    training_->Run("two", {"--nproc", "2"});
    ASSERT_EQ(training_->Losses("two").size(), static_cast<size_t>(kSteps));
  }
  static void TearDownTestSuite() {
    RemoveUnlessFailed(training_->folder());
    training_.reset();
  }

  // The same loss curve but for the order of float32 sums.
  static void ExpectSameCurve(const std::string& a, const std::string& b) {
    const auto one = training_->Losses(a), two = training_->Losses(b);
    ASSERT_EQ(one.size(), two.size());
    for (size_t i = 0; i < one.size(); ++i) {
      for (const char* key : {"reconstruction", "slot_contrast", "loss", "grad_norm"}) {
        const double x = one[i].at(key).get<double>(), y = two[i].at(key).get<double>();
        EXPECT_NEAR(x, y, 2e-3 * std::abs(x)) << "step " << i + 1 << ", " << key;
      }
    }
  }

  // The processes that --nproc started: children of `parent`.
  static std::vector<pid_t> Children(pid_t parent) {
    std::vector<pid_t> pids;
    std::ifstream file(absl::StrCat("/proc/", parent, "/task/", parent, "/children"));
    for (pid_t pid; file >> pid;) pids.push_back(pid);
    return pids;
  }

  inline static std::unique_ptr<TinyTraining> training_;
};

// Negatives stay in each process, as in the reference: what one process does with a batch in two
// parts.
TEST_F(TrainerProcesses, TwoTrainAsOneWithTheBatchInTwoParts) {
  training_->Run("parts", {"--set", "loop.accumulate=2"});
  ExpectSameCurve("two", "parts");
}

// With gathered negatives, what one process does with the joint batch.
TEST_F(TrainerProcesses, TwoThatGatherTrainAsOne) {
  training_->Run("one");
  training_->Run("gathered", {"--nproc=2", "--set", "losses[slot_contrast].gather_negatives=true"});
  ExpectSameCurve("one", "gathered");
  const double own = training_->Losses("two").front().at("slot_contrast").get<double>();
  const double all = training_->Losses("gathered").front().at("slot_contrast").get<double>();
  EXPECT_GT(all, own + 0.1) << "twice the negatives";
}

TEST_F(TrainerProcesses, OneThatDiesEndsTheJobAndResumeGoesOn) {
  const auto job = training_->Start("killed", {"--nproc", "2"});
  ASSERT_TRUE(training_->Logged("killed", 7)) << job->Output();
  const std::vector<pid_t> children = Children(job->pid());
  ASSERT_EQ(children.size(), 2u);
  kill(children[1], SIGKILL);
  const absl::Time killed = absl::Now();
  EXPECT_EQ(job->Wait(kShortPatience), 69) << job->Output();
  EXPECT_LT(absl::Now() - killed, kSeconds);
  EXPECT_THAT(Lines(job->Errors()).back(),
              HasSubstr("slotmatch_trainer: process 1 of 2 was ended by signal 9 (Killed); "
                        "--resume goes on"));
  for (const pid_t pid : children) EXPECT_NE(kill(pid, 0), 0) << pid << " was left behind";
  training_->Run("killed", {"--nproc", "2", "--resume"});
  EXPECT_TRUE(training_->Weights("killed") == training_->Weights("two"));
  EXPECT_EQ(training_->Losses("killed").size(), static_cast<size_t>(kSteps));
}

TEST_F(TrainerProcesses, SignalStopsAllAtTheSameStep) {
  const auto job = training_->Start("stopped", {"--nproc", "2"});
  ASSERT_TRUE(training_->Logged("stopped", 7)) << job->Output();
  job->Signal(SIGTERM);
  EXPECT_EQ(job->Wait(kShortPatience), 75) << job->Output();
  training_->Run("stopped", {"--nproc", "2", "--resume"});
  EXPECT_TRUE(training_->Weights("stopped") == training_->Weights("two"));
}

// As torchrun starts them: nobody looks after them but they themselves.
TEST_F(TrainerProcesses, TorchrunsEnvironment) {
  const auto environment = [](int rank, int port) {
    return absl::StrCat("export RANK=", rank, " LOCAL_RANK=", rank,
                        " WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=", port,
                        ";");
  };
  int port = FreePort();
  auto first = training_->Start("torchrun", {}, environment(0, port));
  auto second = training_->Start("torchrun", {}, environment(1, port));
  EXPECT_EQ(first->Wait(kRunPatience), 0) << first->Output();
  EXPECT_EQ(second->Wait(kRunPatience), 0) << second->Output();
  EXPECT_TRUE(training_->Weights("torchrun") == training_->Weights("two"));

  port = FreePort();
  first = training_->Start("torchrun_killed", {}, environment(0, port));
  second = training_->Start("torchrun_killed", {}, environment(1, port));
  ASSERT_TRUE(training_->Logged("torchrun_killed", 7)) << first->Output();
  second->Signal(SIGKILL);
  const absl::Time killed = absl::Now();
  EXPECT_EQ(first->Wait(kShortPatience), 69) << first->Output();
  EXPECT_LT(absl::Now() - killed, kSeconds);
  EXPECT_THAT(Lines(first->Errors()).back(), HasSubstr("process 0 of 2 lost another one"));
}

TEST_F(TrainerProcesses, WhatCannotBeIsOneLine) {
  struct Row {
    std::vector<std::string> more;
    std::string before;
    int code;
    const char* fragment;
  };
  for (const Row& row :
       {Row{{"--nproc", "3"}, "", 78, "data.batch_clips 4 cannot be shared by 3 processes"},
        Row{{"--nproc", "0"}, "", 64, "--nproc 0"},
        Row{{}, "export WORLD_SIZE=2;", 78, "WORLD_SIZE is set but RANK is not"},
        Row{{}, "export WORLD_SIZE=2 RANK=2;", 78, "RANK is '2'"}}) {
    SCOPED_TRACE(row.fragment);
    const auto process = training_->Start("refused", row.more, row.before);
    EXPECT_EQ(process->Wait(kShortPatience), row.code) << process->Output();
    ExpectLastErrorLine(*process, TinyTraining::kProgram, row.fragment);
  }
}

}  // namespace
}  // namespace slotmatch
