#include "trainer/dist/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

// Each process is a shell that runs the script.
absl::Status RunShells(const std::string& script, int count, int signal = 0) {
  std::atomic<int> stop = signal;
  return RunProcesses("/bin/sh", {"sh", "-c", script}, count, stop);
}

TEST(RunProcesses, EveryProcessKnowsItsPlace) {
  const TempDir dir;
  const std::string script =
      absl::StrCat("echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR > ",
                   dir.path(), "/$RANK; test $MASTER_PORT -gt 0");
  ASSERT_THAT(RunShells(script, 3), IsOk());
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(ReadFile(dir.File(std::to_string(rank))).value(),
              absl::StrCat(rank, "/3 ", rank, "/3 127.0.0.1\n"));
  }
}

TEST(RunProcesses, ExitCodesBecomeTheirStatus) {
  EXPECT_THAT(RunShells("test $RANK = 0 || exit 65", 2),
              FailsWith(StatusCode::kDataLoss, "process 1 of 2 ended with exit code 65"));
  EXPECT_THAT(RunShells("exit 78", 2), FailsWith(StatusCode::kFailedPrecondition, "78"));
  EXPECT_THAT(RunShells("exit 99", 1), FailsWith(StatusCode::kInternal, "99"));
}

TEST(RunProcesses, OneThatDiesEndsTheOthers) {
  const absl::Time start = absl::Now();
  EXPECT_THAT(RunShells("test $RANK = 1 && kill -9 $$; exec sleep 60", 2),
              FailsWith(StatusCode::kUnavailable, "process 1 of 2 was ended by signal 9 (Killed)"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

// Those that miss a killed process may be seen to end before it: it is still the cause.
TEST(RunProcesses, TheKilledOneIsNamedNotTheOneThatMissesIt) {
  const TempDir dir;
  const std::string ready = dir.File("ready");  // the launcher's SIGTERM ends it no more
  const std::string script = absl::StrCat("if test $RANK = 0; then while test ! -e ", ready,
                                          "; do sleep 0.01; done; exit 69; fi; ",
                                          "trap '' TERM; : > ", ready, "; sleep 0.3; kill -9 $$");
  EXPECT_THAT(RunShells(script, 2),
              FailsWith(StatusCode::kUnavailable, "process 1 of 2 was ended by signal 9"));
}

TEST(RunProcesses, SignalsArePassedOn) {
  const TempDir dir;
  std::atomic<int> stop = 0;
  std::thread signaller([&] {
    while (!ReadFile(dir.File("0")).ok() || !ReadFile(dir.File("1")).ok()) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    stop = SIGTERM;
  });
  const std::string script =
      absl::StrCat("trap 'exit 75' TERM; : > ", dir.path(), "/$RANK; while :; do sleep 0.05; done");
  EXPECT_THAT(RunProcesses("/bin/sh", {"sh", "-c", script}, 2, stop),
              FailsWith(StatusCode::kResourceExhausted, "exit code 75"));
  signaller.join();
}

TEST(RunProcesses, AProgramThatIsNotThereFails) {
  std::atomic<int> stop = 0;
  EXPECT_FALSE(RunProcesses("/no/such/program", {"x"}, 2, stop).ok());
}

}  // namespace
}  // namespace slotmatch
