// Live streams over a real socket and a model of known cost: the latency of admitted streams with
// few streams, and with four times as many as the model can serve.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "tests/support/pictures.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

constexpr double kFps = 5;
constexpr int kBatch = 4;
constexpr absl::Duration kBatchTime = absl::Milliseconds(100);
constexpr int kFits = 8;  // kBatch / kBatchTime / kFps

config::ServeConfig Config() {
  config::ServeConfig config;
  config.mutable_listen()->set_grpc_address("127.0.0.1:0");
  config.mutable_listen()->set_metrics_address("");
  config.mutable_batching()->set_max_batch_size(kBatch);
  config.mutable_degrade()->set_max_batch_size(kBatch);
  config.mutable_admission()->set_max_wait_ratio(2);
  config::SchedulingClass* live = config.mutable_scheduling()->add_classes();
  live->set_name("live");
  live->set_target_wait_ms(100);
  live->set_frame_deadline_ms(150);
  live->set_degradable(true);
  config.mutable_scheduling()->set_default_class("live");
  return config;
}

// A stream of kFps frames a second that opens again when it is refused, until it is told to end.
class Camera {
 public:
  Camera(const std::shared_ptr<grpc::Channel>& channel, absl::Duration phase)
      : thread_([this, channel, phase] {
          absl::SleepFor(phase);
          while (!over_) Live(channel);
        }) {}
  ~Camera() { thread_.join(); }
  void End() { over_ = true; }
  std::vector<double> latencies_ms() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(latencies_ms_, {});
  }
  bool admitted() const { return admitted_; }
  int refusals() const { return refusals_; }

 private:
  void Live(const std::shared_ptr<grpc::Channel>& channel) {
    TestStream stream(channel, absl::Hours(1));
    v1::SessionConfig config;
    config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
    stream.SendConfig(config);
    if (!stream.Read().has_value()) {
      ++refusals_;
      absl::SleepFor(absl::Seconds(1));
      return;
    }
    admitted_ = true;
    std::deque<std::atomic<int64_t>> sent(10000);  // when, by frame id
    std::thread reader([&] {
      while (const auto answer = stream.Read()) {
        if (!answer->has_result()) continue;
        const int64_t waited =
            absl::ToUnixMicros(absl::Now()) - sent[answer->result().frame_id()].load();
        absl::MutexLock lock(&mutex_);
        latencies_ms_.push_back(static_cast<double>(waited) / 1000);
      }
    });
    const Image picture = MakePicture(8, 8, 1);
    absl::Time next = absl::Now();
    for (uint64_t id = 0; id < sent.size() && !over_; ++id) {
      absl::SleepFor(next - absl::Now());
      next += absl::Seconds(1) / kFps;
      sent[id] = absl::ToUnixMicros(absl::Now());
      if (!stream.SendPicture(id, picture)) break;
    }
    stream.SendDone();
    reader.join();
  }

  std::atomic<bool> over_{false}, admitted_{false};
  std::atomic<int> refusals_{0};
  absl::Mutex mutex_;
  std::vector<double> latencies_ms_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

struct Measured {
  double p99_ms = 0;
  double frames_per_s = 0;
  int admitted = 0;
  int refusals = 0;
};

Measured Measure(std::deque<Camera>* cameras, absl::Duration time) {
  for (Camera& camera : *cameras) camera.latencies_ms();
  absl::SleepFor(time);
  Measured measured;
  std::vector<double> all;
  for (Camera& camera : *cameras) {
    const std::vector<double> some = camera.latencies_ms();
    all.insert(all.end(), some.begin(), some.end());
    measured.admitted += camera.admitted();
    measured.refusals += camera.refusals();
  }
  std::sort(all.begin(), all.end());
  if (!all.empty()) measured.p99_ms = all[all.size() * 99 / 100];
  measured.frames_per_s = static_cast<double>(all.size()) / absl::ToDoubleSeconds(time);
  return measured;
}

void Print(const char* name, const Measured& m) {
  std::printf("%-28s %9.1f %9.1f %9d %9d\n", name, m.p99_ms, m.frames_per_s, m.admitted,
              m.refusals);
}

int Main() {
  InitLog("error", /*json=*/false);
  const TestServer server = StartServer(Config());
  server.fake->SetDelay(kBatchTime);
  std::deque<Camera> cameras;
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) {
      cameras.emplace_back(server.channel, absl::Seconds(2) * i / count);
    }
  };
  std::printf("%-28s %9s %9s %9s %9s\n", "", "p99 ms", "frames/s", "admitted", "refusals");
  add(kFits / 2);
  absl::SleepFor(absl::Seconds(5));
  const Measured unloaded = Measure(&cameras, absl::Seconds(20));
  Print("half of the capacity", unloaded);
  add(4 * kFits - kFits / 2);
  Measured loaded;
  for (const char* name : {"4 times, first 20 s", "4 times, next 20 s", "4 times, last 20 s"}) {
    loaded = Measure(&cameras, absl::Seconds(20));
    Print(name, loaded);
    std::printf("%-28s %9.2f of half the capacity's\n", "", loaded.p99_ms / unloaded.p99_ms);
  }
  for (Camera& camera : cameras) camera.End();
  return 0;
}

}  // namespace
}  // namespace slotmatch

int main() { return slotmatch::Main(); }
