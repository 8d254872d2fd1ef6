#include "trainer/dist/launch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(20);
constexpr absl::Duration kGrace = absl::Seconds(5);  // from SIGTERM to SIGKILL

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentOf(int rank, int count, int port) {
  std::vector<std::string> variables = {absl::StrCat("RANK=", rank),
                                        absl::StrCat("LOCAL_RANK=", rank),
                                        absl::StrCat("WORLD_SIZE=", count),
                                        absl::StrCat("LOCAL_WORLD_SIZE=", count),
                                        "MASTER_ADDR=127.0.0.1",
                                        absl::StrCat("MASTER_PORT=", port)};
  for (char** entry = environ; *entry != nullptr; ++entry) variables.push_back(*entry);
  return variables;
}

// Only what is safe between fork and exec happens in the child.
absl::StatusOr<pid_t> StartProcess(const std::string& program, std::vector<std::string> arguments,
                                   std::vector<std::string> environment) {
  const std::vector<char*> argv = Pointers(&arguments), envp = Pointers(&environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return absl::UnavailableError(absl::StrCat("cannot start: ", std::strerror(errno)));
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) execve(program.c_str(), argv.data(), envp.data());
    _exit(127);
  }
  return pid;
}

absl::StatusCode CodeOfExit(int exit_code) {
  // Several codes share an exit code; of those the trainer's own are the higher ones.
  for (int code = 16; code >= 1; --code) {
    const auto status_code = static_cast<absl::StatusCode>(code);
    if (ExitCode(absl::Status(status_code, "")) == exit_code) return status_code;
  }
  return absl::StatusCode::kInternal;
}

absl::Status EndOf(int rank, int count, int wait_status) {
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return absl::OkStatus();
  const std::string who = absl::StrCat("process ", rank, " of ", count);
  if (WIFSIGNALED(wait_status)) {
    return absl::UnavailableError(absl::StrCat(who, " was ended by signal ", WTERMSIG(wait_status),
                                               " (", strsignal(WTERMSIG(wait_status)),
                                               "); --resume goes on"));
  }
  const int code = WEXITSTATUS(wait_status);
  return absl::Status(CodeOfExit(code), absl::StrCat(who, " ended with exit code ", code));
}

class Processes {
 public:
  absl::Status Start(const std::string& program, const std::vector<std::string>& arguments,
                     int count) {
    SM_ASSIGN_OR_RETURN(const int port, FreePort());
    for (int rank = 0; rank < count; ++rank) {
      SM_ASSIGN_OR_RETURN(const pid_t pid,
                          StartProcess(program, arguments, EnvironmentOf(rank, count, port)));
      pids_.push_back(pid);
      running_.insert(rank);
    }
    return absl::OkStatus();
  }

  ~Processes() { Kill(SIGKILL); }

  absl::Status Wait(const std::atomic<int>& stop) {
    int passed_on = 0;
    absl::Time deadline = absl::InfiniteFuture();
    while (!running_.empty()) {
      Reap();
      if (const int signal = stop.load(); signal != passed_on) Kill(passed_on = signal);
      if (!failure_.ok() && deadline == absl::InfiniteFuture()) {
        deadline = absl::Now() + kGrace;
        Kill(SIGTERM);
      }
      if (absl::Now() > deadline) {
        gave_up_ = true;
        Kill(SIGKILL);
      }
      absl::SleepFor(kPoll);
    }
    return failure_;
  }

 private:
  void Reap() {
    for (auto rank = running_.begin(); rank != running_.end();) {
      int wait_status = 0;
      if (waitpid(pids_[*rank], &wait_status, WNOHANG) != pids_[*rank]) {
        ++rank;
        continue;
      }
      const absl::Status end = EndOf(*rank, static_cast<int>(pids_.size()), wait_status);
      // One that was killed, not by this process, says more than those that miss it, which may be
      // seen to end first.
      const bool killed = WIFSIGNALED(wait_status) && WTERMSIG(wait_status) != SIGTERM && !gave_up_;
      if (failure_.ok() || (killed && !cause_known_)) failure_ = end;
      cause_known_ = cause_known_ || killed;
      rank = running_.erase(rank);
    }
  }
  void Kill(int signal) {
    for (const int rank : running_) kill(pids_[rank], signal);
  }

  std::vector<pid_t> pids_;  // by rank
  std::set<int> running_;
  absl::Status failure_;
  bool cause_known_ = false;  // failure_ is of one that others did not bring down
  bool gave_up_ = false;      // what still runs is killed
};

}  // namespace

absl::StatusOr<int> FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) {
    return absl::UnavailableError(absl::StrCat("no free port: ", std::strerror(errno)));
  }
  return ntohs(address.sin_port);
}

absl::Status RunProcesses(const std::string& program, const std::vector<std::string>& arguments,
                          int count, const std::atomic<int>& stop) {
  Processes processes;
  SM_RETURN_IF_ERROR(processes.Start(program, arguments, count));
  return processes.Wait(stop);
}

}  // namespace slotmatch
