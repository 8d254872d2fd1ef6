#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/image/mask_codec.h"
#include "tests/integration/process.h"

namespace slotmatch {

// Patience with the programs: generous, the machine may be small and busy.
constexpr absl::Duration kStartPatience = absl::Seconds(90);
constexpr absl::Duration kRunPatience = absl::Seconds(180);
constexpr absl::Duration kShortPatience = absl::Seconds(60);

constexpr char kStudent[] = "models/slotmatch/1";
constexpr char kTeacher[] = "models/slotcontrast/1";
constexpr char kSampleVideo[] = "samples/cups.mp4";  // 640x360, 72 frames
constexpr char kSampleClips[] = "samples/moving_solids";
constexpr char kSampleFrames[] = "samples/moving_solids/JPEGImages/128p/0213";  // 8 pictures

// slotmatch_server with `arguments`, its ports free ones.
class ServerProcess {
 public:
  // Files of the server go to `folder`. Returns when it is ready or has ended.
  ServerProcess(const std::string& folder, const std::vector<std::string>& models,
                const std::vector<std::string>& arguments = {});

  bool ready() { return process_.running() && !info_.is_null(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(Port("grpc_port")); }
  int metrics_port() const { return Port("metrics_port"); }
  std::string admin_address() const { return "127.0.0.1:" + std::to_string(Port("admin_port")); }
  Process& process() { return process_; }

 private:
  int Port(const char* key) const { return info_.is_null() ? 0 : info_.at(key).get<int>(); }

  Process process_;
  nlohmann::json info_;  // of the ready file; null before
};

// slotmatch_client against `address`; its output goes to `log`.
std::unique_ptr<Process> StartClient(const std::string& address, const std::string& log,
                                     const std::vector<std::string>& arguments,
                                     const std::string& input_file = "/dev/null");

// The program `name` with `arguments`.
std::unique_ptr<Process> StartProgram(const std::string& name, const std::string& log,
                                      const std::vector<std::string>& arguments);

// Discarded (is_discarded()) when the file is missing or no JSON.
nlohmann::json ReadJson(const std::string& path);
std::vector<std::string> Lines(const std::string& text);
int CountLines(const std::string& path);
std::string FileBytes(const std::string& path);
void WriteBytes(const std::string& path, const std::string& bytes);
// Most memory the process ever had in RAM.
int64_t PeakRssBytes(pid_t pid);
// A port of 127.0.0.1 that nobody listens on.
int FreePort();
// The body of http://127.0.0.1:`port``path`; empty when nobody answers.
std::string HttpGet(int port, const std::string& path);
// The sum of a metric's series whose line holds `label`; -1 when there is none.
double MetricValue(const std::string& metrics, const std::string& name,
                   const std::string& label = "");

// stderr is exactly one line, "program: ...", and it holds `fragment`.
void ExpectOneErrorLine(const Process& process, const std::string& program,
                        const std::string& fragment);
// Of the lines of stderr the last, and no other, is "program: ...", and it holds `fragment`. For
// programs that log to stderr as well.
void ExpectLastErrorLine(const Process& process, const std::string& program,
                         const std::string& fragment);

// Share of pixels with the same label; 0 when the sizes differ.
double Agreement(const LabelMap& a, const LabelMap& b);
// masks/00000.png ... of `count` frames in both folders agree in at least `agree` of their pixels.
void ExpectSameMasks(const std::string& folder_a, const std::string& folder_b, int count,
                     double agree);

// Cases that share one server, started in SetUpTestSuite, and one folder for their files.
class ServedTest : public ::testing::Test {
 protected:
  static void StartShared(const std::string& name, const std::vector<std::string>& models,
                          const std::vector<std::string>& arguments = {});
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;  // whatever the case did, the server goes on

  inline static std::unique_ptr<ServerProcess> server_;
  inline static std::string folder_;
};

// Removes the files of a suite; after a failure they stay for a look.
void RemoveUnlessFailed(const std::string& folder);

}  // namespace slotmatch
