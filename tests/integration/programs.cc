#include "tests/integration/programs.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace slotmatch {
namespace {

std::vector<std::string> ServerCommand(const std::string& folder,
                                       const std::vector<std::string>& models,
                                       const std::vector<std::string>& arguments) {
  std::filesystem::remove(folder + "/ready.json");
  std::vector<std::string> command = {
      ProgramPath("slotmatch_server"), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
      "--admin", "127.0.0.1:0", "--ready-file", folder + "/ready.json",
      // A slow machine is no overload.
      "--set", "degrade.enabled=false", "--set", "admission.max_wait_ratio=0"};
  for (const std::string& model : models) command.insert(command.end(), {"--model", model});
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace

ServerProcess::ServerProcess(const std::string& folder, const std::vector<std::string>& models,
                             const std::vector<std::string>& arguments)
    : process_(ServerCommand(folder, models, arguments), folder + "/server.log") {
  const std::string ready = folder + "/ready.json";
  Eventually([&] { return !process_.running() || std::filesystem::exists(ready); }, kStartPatience);
  if (std::filesystem::exists(ready)) info_ = ReadJson(ready);
}

std::unique_ptr<Process> StartClient(const std::string& address, const std::string& log,
                                     const std::vector<std::string>& arguments,
                                     const std::string& input_file) {
  std::vector<std::string> command = {ProgramPath("slotmatch_client"), "--server", address,
                                      "--quiet"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<Process>(command, log, input_file);
}

std::unique_ptr<Process> StartProgram(const std::string& name, const std::string& log,
                                      const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {ProgramPath(name)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<Process>(command, log);
}

nlohmann::json ReadJson(const std::string& path) {
  return nlohmann::json::parse(FileBytes(path), nullptr, /*allow_exceptions=*/false);
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

int CountLines(const std::string& path) {
  const std::string text = FileBytes(path);
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

int64_t PeakRssBytes(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string word;
  int64_t kib = 0;
  while (status >> word) {
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\nConnection: close\r\n\r\n";
    char chunk[65536];
    ssize_t count = write(fd, request.data(), request.size());
    while (count > 0 && (count = read(fd, chunk, sizeof(chunk))) > 0) answer.append(chunk, count);
  }
  close(fd);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

double MetricValue(const std::string& metrics, const std::string& name, const std::string& label) {
  double sum = 0;
  bool found = false;
  for (const std::string& line : Lines(metrics)) {
    if (!absl::StartsWith(line, name + " ") && !absl::StartsWith(line, name + "{")) continue;
    double value = 0;
    if (!absl::StrContains(line, label)) continue;
    if (!absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) continue;
    sum += value;
    found = true;
  }
  return found ? sum : -1;
}

void ExpectOneErrorLine(const Process& process, const std::string& program,
                        const std::string& fragment) {
  EXPECT_EQ(Lines(process.Errors()).size(), 1u) << process.Errors();
  ExpectLastErrorLine(process, program, fragment);
}

void ExpectLastErrorLine(const Process& process, const std::string& program,
                         const std::string& fragment) {
  const std::vector<std::string> lines = Lines(process.Errors());
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.back(), testing::StartsWith(program + ": ")) << process.Errors();
  EXPECT_THAT(lines.back(), testing::HasSubstr(fragment));
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [&](const auto& line) { return absl::StartsWith(line, program + ": "); }),
            1);
}

double Agreement(const LabelMap& a, const LabelMap& b) {
  if (a.width != b.width || a.height != b.height || a.labels.empty()) return 0;
  size_t same = 0;
  for (size_t i = 0; i < a.labels.size(); ++i) same += a.labels[i] == b.labels[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(a.labels.size());
}

void ExpectSameMasks(const std::string& folder_a, const std::string& folder_b, int count,
                     double agree) {
  for (int i = 0; i < count; ++i) {
    const std::string name = absl::StrFormat("/masks/%05d.png", i);
    const auto a = DecodePalettePng(FileBytes(folder_a + name));
    const auto b = DecodePalettePng(FileBytes(folder_b + name));
    ASSERT_TRUE(a.ok() && b.ok()) << name;
    EXPECT_GE(Agreement(*a, *b), agree) << name;
  }
}

void ServedTest::StartShared(const std::string& name, const std::vector<std::string>& models,
                             const std::vector<std::string>& arguments) {
  folder_ = FreshFolder(name);
  server_ = std::make_unique<ServerProcess>(folder_, models, arguments);
  ASSERT_TRUE(server_->ready()) << server_->process().Output();
}

void ServedTest::TearDownTestSuite() {
  server_.reset();
  RemoveUnlessFailed(folder_);
}

void ServedTest::SetUp() { ASSERT_TRUE(server_ != nullptr && server_->ready()); }

void ServedTest::TearDown() {
  EXPECT_TRUE(server_->process().running()) << server_->process().Output();
}

void RemoveUnlessFailed(const std::string& folder) {
  if (!testing::UnitTest::GetInstance()->Failed()) std::filesystem::remove_all(folder);
}

}  // namespace slotmatch
