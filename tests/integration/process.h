#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace slotmatch {

// A child process of a test. Its stdout goes to `output_file`, its stderr to `output_file`.err; it
// is killed when the object goes away.
class Process {
 public:
  Process(const std::vector<std::string>& command, const std::string& output_file,
          const std::string& input_file = "/dev/null");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int signal) const;
  // Exit status, 128 + signal when a signal ended it, -1 when still running after `patience`.
  int Wait(absl::Duration patience);
  bool running();
  pid_t pid() const { return pid_; }
  // What it printed so far.
  std::string Printed() const;  // on stdout
  std::string Errors() const;   // on stderr
  std::string Output() const { return Printed() + Errors(); }

 private:
  bool Reap();
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  std::string output_file_;
};

// Directory of the programs under test: $SLOTMATCH_BIN_DIR, set by ctest.
std::string ProgramPath(const std::string& name);

// Folder of this test's own files, empty at the start.
std::string FreshFolder(const std::string& name);

// Polls `done` until it is true or `patience` is over; its last answer.
template <typename F>
bool Eventually(F done, absl::Duration patience);

}  // namespace slotmatch

#include "absl/time/clock.h"

template <typename F>
bool slotmatch::Eventually(F done, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (!done()) {
    if (absl::Now() > end) return done();
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}
