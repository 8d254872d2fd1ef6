// A session that goes on whatever happens to its server: two servers behind a real proxy, killed
// at random frames, while one client streams.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/resuming_stream.h"
#include "tests/integration/programs.h"
#include "tests/integration/raw_stream.h"

namespace slotmatch {
namespace {

// A proxy before the servers, and how many times one of them is killed behind it.
struct ProxyCase {
  const char* name;
  int kills;
};
constexpr ProxyCase kCases[] = {{"nginx", 100}, {"haproxy", 20}};

constexpr absl::Duration kCallPatience = absl::Seconds(5);
// Until a proxy sends sessions to a server that is back: two of haproxy.cfg's health checks.
constexpr absl::Duration kProxyNotices = absl::Seconds(1);

// The deployed configuration of a proxy, on these ports and with its files in `folder`.
std::string ProxyConfig(const std::string& name, const std::string& folder, const int ports[3]) {
  const bool nginx = name == "nginx";
  const std::string text =
      FileBytes(nginx ? "deploy/balancing/nginx.conf" : "deploy/balancing/haproxy.cfg");
  const std::string here = absl::StrCat("127.0.0.1:", ports[2]);
  const std::string files =
      absl::StrCat("http {\n  client_body_temp_path ", folder, "/t1; proxy_temp_path ", folder,
                   "/t2; fastcgi_temp_path ", folder, "/t3; uwsgi_temp_path ", folder,
                   "/t4; scgi_temp_path ", folder, "/t5;");
  return absl::StrReplaceAll(text, {{"127.0.0.1:50061", absl::StrCat("127.0.0.1:", ports[0])},
                                    {"127.0.0.1:50062", absl::StrCat("127.0.0.1:", ports[1])},
                                    {"listen 50050", "listen " + here},
                                    {"bind :50050", "bind " + here},
                                    {"http {", nginx ? files : "http {"}});
}

// What a client sees of a frame; timings aside, it must not depend on kills.
using Answers = std::vector<v1::FrameResult>;

// Streams frame 0, 1, ... of `next` until it has no more; the results in order.
using NextFrame = std::function<std::optional<std::string>(size_t index)>;
Answers Stream(const std::string& address, const NextFrame& next, int64_t* resumes) {
  ResumeOptions options;
  options.connect = [&] { return Connect({address}, kCallPatience); };
  options.patience = kRunPatience;
  options.state_every_frames = 3;
  options.max_unanswered_frames = 4;
  Answers answers;
  auto stream = ResumingStream::Open(options, v1::SessionConfig());
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (!stream.ok()) return answers;
  std::thread sender([&] {
    v1::Frame frame;
    for (size_t i = 0; const auto picture = next(i); ++i) {
      frame.set_frame_id(i);
      frame.set_encoded(*picture);
      if (!(*stream)->Send(frame)) return;
    }
    (*stream)->SendDone();
  });
  for (;;) {
    auto response = (*stream)->Receive();
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok() || !response->has_value()) break;
    EXPECT_TRUE((*response)->has_result()) << (*response)->ShortDebugString();
    answers.push_back((*response)->result());
  }
  (*stream)->Cancel();
  sender.join();
  *resumes = (*stream)->resumes();
  return answers;
}

class Resume : public testing::TestWithParam<ProxyCase> {
 protected:
  static void SetUpTestSuite() {
    folder_ = FreshFolder("resume");
    const auto trainer = StartProgram(
        "slotmatch_trainer", folder_ + "/train.log",
        {"train", "--config", "tests/support/quick_training.textproto", "--out", folder_, "--set",
         absl::StrCat("data.feature_cache_dir=", folder_, "/features"), "--set",
         "loop.max_steps=1"});
    ASSERT_EQ(trainer->Wait(kRunPatience), 0) << trainer->Output();
  }
  static void TearDownTestSuite() { RemoveUnlessFailed(folder_); }

  void StartServer(int i) {
    const std::string folder = absl::StrCat(folder_, "/server", i);
    std::filesystem::create_directories(folder);
    servers_[i] = std::make_unique<ServerProcess>(
        folder, std::vector<std::string>{folder_ + "/models/quick/1"},
        std::vector<std::string>{"--listen", absl::StrCat("127.0.0.1:", ports_[i]), "--set",
                                 "compute.torch_threads=1"});
    ASSERT_TRUE(servers_[i]->ready()) << servers_[i]->process().Output();
  }

  void StartAll() {
    for (int& port : ports_) port = FreePort();
    for (int i = 0; i < 2; ++i) StartServer(i);
    StartProxy();
  }

  // The proxy of the test's parameter before both servers.
  void StartProxy() {
    const std::string file = absl::StrCat(folder_, "/", GetParam().name, ".conf");
    WriteBytes(file, ProxyConfig(GetParam().name, folder_, ports_));
    std::vector<std::string> command = {"/usr/sbin/haproxy", "-f", file};
    if (std::string(GetParam().name) == "nginx") {
      command = {"/usr/sbin/nginx",
                 "-p",
                 folder_,
                 "-c",
                 file,
                 "-g",
                 absl::StrCat("daemon off; pid ", folder_, "/nginx.pid; error_log ", folder_,
                              "/nginx_error.log;")};
    }
    proxy_ = std::make_unique<Process>(command, folder_ + "/proxy.log");
    const auto up = [&] { return Connect({proxy_address()}, absl::Seconds(1)).ok(); };
    ASSERT_TRUE(Eventually(up, kStartPatience)) << proxy_->Output();
  }
  std::string proxy_address() const { return absl::StrCat("127.0.0.1:", ports_[2]); }

  // The server that has the session; -1 when it is on its way.
  int Serving() {
    for (int i = 0; i < 2; ++i) {
      const std::string metrics = HttpGet(servers_[i]->metrics_port(), "/metrics");
      if (MetricValue(metrics, "slotmatch_sessions_active") > 0) return i;
    }
    return -1;
  }

  // Stops one server after the other as an update does, and starts it again.
  void RestartAll(int rounds, std::atomic<bool>* done) {
    for (int i = 0; i < 2 * rounds && !HasFailure(); ++i) {
      absl::SleepFor(kProxyNotices);
      servers_[i % 2]->process().Signal(SIGTERM);
      EXPECT_EQ(servers_[i % 2]->process().Wait(kShortPatience), 0);
      StartServer(i % 2);
    }
    *done = true;
  }

  // Kills the server that has the session at a random frame and starts it again, so many times.
  void KillServing(std::atomic<bool>* done) {
    std::mt19937 random(7);
    for (int kills = 0; kills < GetParam().kills && !HasFailure();) {
      absl::SleepFor(absl::Milliseconds(random() % 300));
      const int victim = Serving();
      if (victim < 0) continue;
      servers_[victim]->process().Signal(SIGKILL);
      servers_[victim]->process().Wait(kShortPatience);
      ++kills;
      StartServer(victim);
    }
    *done = true;
  }

  inline static std::string folder_;
  int ports_[3] = {};
  std::unique_ptr<ServerProcess> servers_[2];
  std::unique_ptr<Process> proxy_;
};

// The frames of the sample clip over and over until `end`. Paced, they come in bursts: a kill may
// hit one, and servers that start need not wait for the CPU.
NextFrame ClipUntil(std::function<bool(size_t index)> end, bool paced) {
  constexpr size_t kBurst = 6;
  constexpr absl::Duration kPause = absl::Milliseconds(150);
  std::vector<std::string> clip;
  for (const cv::Mat& picture : VideoFrames(kSampleVideo, 72)) {
    clip.push_back(Encoded(picture, ".jpg"));
  }
  return [clip = std::move(clip), end = std::move(end), paced](size_t i) {
    if (paced && i % kBurst == 0) absl::SleepFor(kPause);
    return end(i) ? std::nullopt : std::optional<std::string>(clip[i % clip.size()]);
  };
}

// `answers` are those of a session that nothing disturbed.
void ExpectUndisturbed(const std::string& server, const Answers& answers) {
  int64_t resumes = 0;
  const Answers expected = Stream(
      server, ClipUntil([&](size_t i) { return i == answers.size(); }, /*paced=*/false), &resumes);
  EXPECT_EQ(resumes, 0);
  ASSERT_EQ(answers.size(), expected.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_EQ(answers[i].frame_id(), i);
    ASSERT_TRUE(SameResult(answers[i], expected[i])) << "frame " << i;
  }
}

TEST_P(Resume, KilledServersLoseNoFrameAndChangeNothing) {
  StartAll();
  std::atomic<bool> done{false};
  std::thread killer([&] { KillServing(&done); });
  int64_t resumes = 0;
  const Answers answers = Stream(
      proxy_address(), ClipUntil([&](size_t) { return done.load(); }, /*paced=*/true), &resumes);
  killer.join();
  EXPECT_GE(resumes, GetParam().kills);
  ExpectUndisturbed(servers_[0]->address(), answers);
}

TEST_P(Resume, RollingRestartsLoseNoFrameAndChangeNothing) {
  constexpr int kRounds = 1;
  StartAll();
  std::atomic<bool> done{false};
  std::thread updater([&] { RestartAll(kRounds, &done); });
  int64_t resumes = 0;
  const Answers answers = Stream(
      proxy_address(), ClipUntil([&](size_t) { return done.load(); }, /*paced=*/true), &resumes);
  updater.join();
  EXPECT_GE(resumes, kRounds);
  ExpectUndisturbed(servers_[0]->address(), answers);
}

INSTANTIATE_TEST_SUITE_P(Proxies, Resume, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace slotmatch
