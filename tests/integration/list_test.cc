// A list of videos segmented by three worker processes of one real server: one is killed in the
// middle of a video and started again, and one video does not exist.
#include <signal.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr int kWorkers = 3;
constexpr int kVideos = 6;
constexpr int kMissing = 5;  // worker 2's
constexpr int kKilledWorker = 1;
constexpr int kFrames = 2;
constexpr int kKilledVideoFrames = 40;  // long enough to be killed in

class List : public ServedTest {
 protected:
  static void SetUpTestSuite() {
    StartShared("list", {kStudent});
    std::string list = "# clips\n";
    for (int i = 0; i < kVideos; ++i) {
      const std::string folder = absl::StrCat(folder_, "/videos/v", i);
      absl::StrAppend(&list, folder, "\n");
      if (i == kMissing) continue;
      // The second one of the worker that is killed.
      const int frames = i == kKilledWorker + kWorkers ? kKilledVideoFrames : kFrames;
      fs::create_directories(folder);
      for (int f = 0; f < frames; ++f) {
        fs::copy(absl::StrCat(kSampleFrames, "/0000", f % 8, ".jpg"),
                 absl::StrCat(folder, "/", 100 + f, ".jpg"));
      }
    }
    WriteBytes(folder_ + "/list.txt", list);
  }

  std::unique_ptr<Process> StartWorker(int i, const std::string& log) {
    return StartClient(server_->address(), folder_ + "/" + log,
                       {"--list", folder_ + "/list.txt", "--shard", absl::StrCat(i, "/", kWorkers),
                        "--out", folder_ + "/out", "--masks", "none"});
  }
  static std::string Result(int i) {
    return absl::StrCat(folder_, "/out/0000", i, "-v", i, "/summary.json");
  }
  // The lines of `process` about results, by video.
  static void CountDone(const Process& process, std::vector<int>* done) {
    for (const std::string& line : Lines(process.Printed())) {
      for (int i = 0; i < kVideos; ++i) {
        (*done)[i] += absl::StartsWith(line, absl::StrCat(folder_, "/videos/v", i, ": ")) &&
                      absl::StrContains(line, " frames, ");
      }
    }
  }
};

TEST_F(List, WorkersKilledAndStartedAgainDoEveryVideoOnce) {
  std::vector<std::unique_ptr<Process>> workers;
  for (int i = 0; i < kWorkers; ++i) workers.push_back(StartWorker(i, absl::StrCat("worker", i)));
  const std::string inside =
      absl::StrCat(folder_, "/out/0000", kKilledWorker + kWorkers, "-v", kKilledWorker + kWorkers);
  ASSERT_TRUE(Eventually([&] { return CountLines(inside + "/slots.jsonl") > 0; }, kRunPatience));
  const auto second = StartWorker(kKilledWorker, "second");
  EXPECT_EQ(second->Wait(kRunPatience), 74);  // one process a shard
  ExpectOneErrorLine(*second, "slotmatch_client", "another process works on this shard");
  workers[kKilledWorker]->Signal(SIGKILL);
  EXPECT_EQ(workers[kKilledWorker]->Wait(kShortPatience), 128 + SIGKILL);
  ASSERT_FALSE(fs::exists(inside + "/summary.json"));
  const std::string first = FileBytes(Result(kKilledWorker));

  workers.push_back(StartWorker(kKilledWorker, "restarted"));
  for (int i = 0; i <= kWorkers; ++i) {
    if (i == kKilledWorker) continue;
    EXPECT_EQ(workers[i]->Wait(kRunPatience), i == kMissing % kWorkers ? 65 : 0)
        << workers[i]->Output();
  }
  ExpectOneErrorLine(*workers[kMissing % kWorkers], "slotmatch_client", "1 of 2 videos failed");
  const std::string failed = FileBytes(folder_ + "/out/failed-2-of-3.txt");
  EXPECT_THAT(failed, testing::HasSubstr(absl::StrCat(folder_, "/videos/v", kMissing, "\t")));
  EXPECT_FALSE(fs::exists(folder_ + "/out/failed-0-of-3.txt"));

  std::vector<int> done(kVideos, 0);
  for (const auto& worker : workers) CountDone(*worker, &done);
  for (int i = 0; i < kVideos; ++i) {
    EXPECT_EQ(done[i], i == kMissing ? 0 : 1) << "video " << i;
    if (i == kMissing) continue;
    EXPECT_EQ(ReadJson(Result(i)).at("status").get<std::string>(), "OK") << "video " << i;
  }
  EXPECT_EQ(FileBytes(Result(kKilledWorker)), first);  // done before the kill, not done again
  const std::string metrics = HttpGet(server_->metrics_port(), "/metrics");
  // Every video that exists, and the one that was begun twice.
  EXPECT_EQ(MetricValue(metrics, "slotmatch_sessions_opened_total"), kVideos - 1 + 1);
}

TEST_F(List, WrongOptionsAre64AndAServerThatIsLostEndsTheRun) {
  const auto no_out =
      StartClient(server_->address(), folder_ + "/no_out", {"--list", folder_ + "/list.txt"});
  EXPECT_EQ(no_out->Wait(kShortPatience), 64);
  ExpectOneErrorLine(*no_out, "slotmatch_client", "--out DIR");
  const auto shard =
      StartClient(server_->address(), folder_ + "/shard",
                  {"--list", folder_ + "/list.txt", "--out", folder_ + "/x", "--shard", "3/3"});
  EXPECT_EQ(shard->Wait(kShortPatience), 64);
  ExpectOneErrorLine(*shard, "slotmatch_client", "0 <= I < N");
  const auto away = StartClient(absl::StrCat("127.0.0.1:", FreePort()), folder_ + "/away",
                                {"--list", folder_ + "/list.txt", "--out", folder_ + "/x",
                                 "--connect-timeout", "0.2", "--resume-for", "1"});
  EXPECT_EQ(away->Wait(kShortPatience), 69) << away->Output();
}

}  // namespace
}  // namespace slotmatch
