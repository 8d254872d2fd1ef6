#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/bench/pictures.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "tests/bench/bench_server.h"
#include "tests/soak/churn.h"
#include "tests/soak/series.h"
#include "tests/support/server_fixture.h"

namespace slotmatch {
namespace {

constexpr char kProgram[] = "service_soak";
constexpr int kAtOnce = 8, kPictures = 16, kConnections = 2;
constexpr absl::Duration kLook = absl::Milliseconds(10);

struct Arguments {
  std::string model, csv = "soak.csv";
  int64_t frames = 100000, frames_each = 200;
  int64_t max_threads = SoakBounds().threads;
  double minutes = 30, max_slope = SoakBounds().rss_bytes_per_frame;
};

// The server under test: in this process around a fake model, or the real one beside it.
struct Subject {
  TestServer fake;
  std::unique_ptr<BenchServer> real;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  pid_t pid = getpid();
};

absl::StatusOr<Subject> StartSubject(const Arguments& a, const std::string& program) {
  Subject subject;
  if (a.model.empty()) {
    config::ServeConfig config;
    config.mutable_listen()->set_grpc_address("127.0.0.1:0");
    config.mutable_listen()->set_metrics_address("");
    config.mutable_batching()->set_max_delay_us(0);
    subject.fake = StartServer(config);
    if (subject.fake.app == nullptr) return absl::InternalError("the server did not start");
    subject.channels = {subject.fake.channel};
    return subject;
  }
  const auto build = std::filesystem::absolute(program).parent_path().parent_path();
  SM_ASSIGN_OR_RETURN(subject.real,
                      BenchServer::Start((build / "bin/slotmatch_server").string(), a.model, {}));
  SM_ASSIGN_OR_RETURN(subject.channels, subject.real->Connect(kConnections));
  subject.pid = subject.real->pid();
  return subject;
}

// Samples until the frames are answered, evenly over them.
absl::StatusOr<std::vector<Sample>> Run(const Arguments& a, const Subject& subject) {
  const std::vector<std::string> pictures = DrawPictures(kPictures, cv::Size(128, 72));
  Churn churn(subject.channels, pictures, kAtOnce, static_cast<int>(a.frames_each));
  std::vector<Sample> samples;
  Progress progress(kProgram, "frames", a.frames);
  const absl::Time began = absl::Now();
  const int64_t every = std::max<int64_t>(a.frames / 200, 1);
  while (churn.answered() < a.frames) {
    if (absl::Now() - began > absl::Minutes(a.minutes)) {
      return absl::DeadlineExceededError(
          absl::StrCat(churn.answered(), " frames in ", a.minutes, " minutes, not ", a.frames));
    }
    SM_RETURN_IF_ERROR(churn.Turn());
    if (churn.answered() >= static_cast<int64_t>(samples.size()) * every) {
      SM_ASSIGN_OR_RETURN(Sample sample, SampleProcess(subject.pid));
      sample.seconds = absl::ToDoubleSeconds(absl::Now() - began);
      sample.frames = churn.answered();
      sample.sessions = churn.sessions();
      samples.push_back(sample);
    }
    progress.Update(churn.answered());
    absl::SleepFor(kLook);
  }
  progress.Finish();
  return samples;
}

absl::Status Soak(const Arguments& a, const std::string& program) {
  if (a.frames < 100 || a.frames_each < 1) {
    return absl::InvalidArgumentError("--frames must be at least 100, --frames-each at least 1");
  }
  SM_ASSIGN_OR_RETURN(const Subject subject, StartSubject(a, program));
  SM_ASSIGN_OR_RETURN(const std::vector<Sample> samples, Run(a, subject));
  SM_RETURN_IF_ERROR(WriteFileAtomically(a.csv, CsvOf(samples)));
  SoakBounds bounds;
  bounds.rss_bytes_per_frame = a.max_slope;
  bounds.threads = a.max_threads;
  SM_ASSIGN_OR_RETURN(const SoakVerdict verdict, Judge(samples, bounds));
  const Sample& last = samples.back();
  std::printf("%lld frames of %lld sessions in %.0f s, %.0f frames/s; %.1f MiB in the end\n%s%s\n",
              static_cast<long long>(last.frames), static_cast<long long>(last.sessions),
              last.seconds, static_cast<double>(last.frames) / last.seconds,
              static_cast<double>(last.rss_bytes) / (1 << 20), verdict.text.c_str(), a.csv.c_str());
  return verdict.status;
}

absl::Status Main(int argc, char** argv) {
  Arguments a;
  OptionTable options(kProgram,
                      "Sessions that come and go against a server, until memory, descriptors and "
                      "threads show whether they grow. Exit codes: 0 flat, 70 something grows or "
                      "failed, 75 out of time.");
  options.Text("model", "DIR", "serve this model; empty: a fake one, within this process",
               &a.model);
  options.Integer("frames", "N", "frames to answer", &a.frames);
  options.Integer("frames-each", "N", "frames of a session", &a.frames_each);
  options.Number("minutes", "N", "most time it may take", &a.minutes);
  options.Number("max-slope", "BYTES", "most that memory may grow per frame", &a.max_slope);
  options.Integer("max-threads", "N", "most threads that may come after the first fifth",
                  &a.max_threads);
  options.Text("csv", "FILE", "write the samples there", &a.csv);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer()) return absl::OkStatus();
  return Soak(a, argv[0]);
}

}  // namespace
}  // namespace slotmatch

int main(int argc, char** argv) {
  slotmatch::InitLog("error", /*json=*/false);
  return slotmatch::ExitStatus(slotmatch::kProgram, slotmatch::Main(argc, argv));
}
