#include "tests/integration/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace slotmatch {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::string& output_file,
                 const std::string& input_file)
    : output_file_(output_file) {
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input_file.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_file.c_str(), kWrite, 0644);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (output_file + ".err").c_str(), kWrite,
                                   0644);
  if (posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
    ended_ = true;
    status_ = 127;  // as a shell reports a program it cannot start
  }
  posix_spawn_file_actions_destroy(&actions);
}

Process::~Process() {
  if (ended_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

bool Process::Reap() {
  if (ended_) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  ended_ = true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Process::running() { return !Reap(); }

int Process::Wait(absl::Duration patience) {
  return Eventually([this] { return Reap(); }, patience) ? status_ : -1;
}

std::string Process::Printed() const { return TextOf(output_file_); }

std::string Process::Errors() const { return TextOf(output_file_ + ".err"); }

std::string ProgramPath(const std::string& name) {
  const char* folder = std::getenv("SLOTMATCH_BIN_DIR");
  return std::string(folder == nullptr ? "build/release/bin" : folder) + "/" + name;
}

std::string FreshFolder(const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slotmatch_" + name + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder.string();
}

}  // namespace slotmatch
