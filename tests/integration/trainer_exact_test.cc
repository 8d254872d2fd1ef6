// A run that was killed, ran out of disk or lost its newest checkpoint ends with the bits of one
// that was left alone.
#include <signal.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/integration/tiny_training.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kSteps = 40;
constexpr int kKills = 6;

// A file system of its own, of `size` bytes, at `folder`, for the time of this object.
class SmallDisk {
 public:
  SmallDisk(std::string folder, int64_t size) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    mounted_ =
        mount("tmpfs", folder_.c_str(), "tmpfs", 0, absl::StrCat("size=", size).c_str()) == 0;
    if (!mounted_) problem_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& problem() const { return problem_; }
  // Takes all space but about `bytes`.
  void FillBut(int64_t bytes) const {
    std::ofstream file(Ballast(), std::ios::binary);
    const std::string block(4096, '.');
    while (static_cast<int64_t>(fs::space(folder_).available) > bytes && file) {
      file << block << std::flush;
    }
  }
  void Free() const { fs::remove(Ballast()); }

 private:
  std::string Ballast() const { return folder_ + "/ballast"; }
  std::string folder_, problem_;
  bool mounted_ = false;
};

class ExactResume : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    training_ = std::make_unique<TinyTraining>("trainer_exact", kSteps);
    training_->Run("whole");
    ASSERT_NE(training_->Weights("whole"), "");
  }
  static void TearDownTestSuite() {
    RemoveUnlessFailed(training_->folder());
    training_.reset();
  }

  static void ExpectSameAsWhole(const std::string& run) {
    EXPECT_TRUE(training_->Weights(run) == training_->Weights("whole"));
    const auto lines = training_->Losses(run), whole = training_->Losses("whole");
    ASSERT_EQ(lines.size(), whole.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      for (const char* key : {"step", "loss", "grad_norm", "learning_rate"}) {
        EXPECT_EQ(lines[i].at(key), whole[i].at(key)) << "line " << i << ", " << key;
      }
    }
  }
  static std::string NewestFile(const std::string& run, const std::string& file) {
    return training_->Out(run) + "/checkpoints/" + training_->Checkpoints(run).back() + "/" + file;
  }
  // A run that was stopped by SIGTERM once it had logged so many steps.
  static void Interrupt(const std::string& run, int steps) {
    const auto process = training_->Start(run);
    ASSERT_TRUE(training_->Logged(run, steps)) << process->Output();
    process->Signal(SIGTERM);
    ASSERT_EQ(process->Wait(kShortPatience), 75) << process->Output();
  }

  inline static std::unique_ptr<TinyTraining> training_;
};

// Wherever it happens: before the first step, in a step, in the middle of a checkpoint.
TEST_F(ExactResume, KillsAtRandomMoments) {
  std::mt19937 random(20);
  for (int i = 0; i < kKills; ++i) {
    const int logged = CountLines(training_->Out("killed") + "/losses.jsonl");
    const auto process =
        training_->Start("killed", {"--resume", "--set", "loop.checkpoint_every=1"});
    // Half of the kills hit the start, half the steps and their checkpoints.
    if (i % 2 == 1) training_->Logged("killed", std::min(kSteps - 1, logged + 4));
    absl::SleepFor(absl::Milliseconds(random() % 200));
    process->Signal(SIGKILL);
    process->Wait(kShortPatience);
  }
  EXPECT_EQ(training_->Weights("killed"), "") << "it was never killed";
  training_->Run("killed", {"--resume"});
  ExpectSameAsWhole("killed");
}

TEST_F(ExactResume, DamagedNewestCheckpointIsPassedOverAndSaid) {
  Interrupt("damaged", 12);
  ASSERT_GE(training_->Checkpoints("damaged").size(), 2u);
  const std::string file = NewestFile("damaged", "optimizer.safetensors");
  std::string bytes = FileBytes(file);
  bytes[bytes.size() / 2] ^= 4;
  WriteBytes(file, bytes);
  const std::string output = training_->Run("damaged", {"--resume"});
  EXPECT_THAT(output, HasSubstr("checkpoint passed over"));
  EXPECT_THAT(output, HasSubstr("optimizer.safetensors does not have its digest"));
  EXPECT_THAT(output, HasSubstr("resumed step=10"));
  ExpectSameAsWhole("damaged");
}

TEST_F(ExactResume, FullDiskKeepsTheLastCheckpoint) {
  const SmallDisk disk(training_->Out("disk"), 64 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "no file system can be mounted here: " << disk.problem();
  Interrupt("disk", 7);
  const auto before = training_->Checkpoints("disk");
  ASSERT_FALSE(before.empty());
  // The logs have room, a checkpoint has not.
  disk.FillBut(256 << 10);
  const std::string output = training_->Run("disk", {"--resume"}, 74);
  EXPECT_THAT(output, HasSubstr("cannot write"));
  EXPECT_THAT(output, HasSubstr("No space left on device"));
  EXPECT_EQ(training_->Checkpoints("disk"), before);
  disk.Free();
  training_->Run("disk", {"--resume"});
  ExpectSameAsWhole("disk");
}

TEST_F(ExactResume, FileLimitKeepsTheLastCheckpoint) {
  Interrupt("full", 7);
  const auto before = training_->Checkpoints("full");
  // No file may grow past 16 KiB, which the log does not and a checkpoint does.
  const std::string output = training_->Run("full", {"--resume"}, 74, "ulimit -f 16;");
  EXPECT_THAT(output, HasSubstr("File too large"));
  EXPECT_EQ(training_->Checkpoints("full"), before);
  training_->Run("full", {"--resume"});
  ExpectSameAsWhole("full");
}

TEST_F(ExactResume, NotFiniteLossKeepsTheLastGoodCheckpoint) {
  const std::string output = training_->Run(
      "nan", {"--set", "optim.learning_rate=1e30", "--set", "optim.warmup_steps=8"}, 65);
  EXPECT_THAT(output, testing::ContainsRegex("loss '(reconstruction|slot_contrast)' is -?(nan|inf) "
                                             "at step [0-9]+|the gradient is not finite at step"));
  EXPECT_EQ(training_->Weights("nan"), "");
  for (const auto& name : training_->Checkpoints("nan")) EXPECT_THAT(name, HasSubstr("step_"));
}

TEST_F(ExactResume, KeepsTheNewestAndTheBest) {
  const std::vector<std::string> validated = {
      "--set", "validation.dataset={path: 'samples/moving_solids' split: 'val'}",
      "--set", "validation.max_videos=1",
      "--set", "loop.checkpoint_every=10",
      "--set", "loop.keep_checkpoints=1"};
  training_->Run("best", validated);
  const std::vector<std::string> lines = Lines(FileBytes(training_->Out("best") + "/scores.jsonl"));
  ASSERT_EQ(lines.size(), 4u);
  int64_t best = 0;
  double highest = -1;
  for (const std::string& line : lines) {
    const auto scores = nlohmann::json::parse(line);
    if (scores.at("video_mbo").get<double>() <= highest) continue;
    highest = scores.at("video_mbo").get<double>();
    best = scores.at("step").get<int64_t>();
  }
  std::vector<std::string> kept = {absl::StrFormat("step_%09d", best)};
  if (best != kSteps) kept.push_back(absl::StrFormat("step_%09d", kSteps));
  EXPECT_EQ(training_->Checkpoints("best"), kept);
  // Looking at the model changes nothing of its training.
  EXPECT_TRUE(training_->Weights("best") == training_->Weights("whole"));

  const std::string model = training_->folder() + "/best_model/tiny/1";
  const auto exported =
      StartProgram(TinyTraining::kProgram, training_->folder() + "/export.log",
                   {"export", "--run", training_->Out("best"), "--best", "--to", model});
  ASSERT_EQ(exported->Wait(kRunPatience), 0) << exported->Output();
  EXPECT_THAT(FileBytes(model + "/manifest.textproto"), HasSubstr(absl::StrCat("steps: ", best)));
}

}  // namespace
}  // namespace slotmatch
