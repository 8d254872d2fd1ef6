#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "core/engine/torch_runner.h"
#include "tests/bench/engine_bench.h"
#include "tests/bench/service_bench.h"

namespace slotmatch {
namespace {

struct Arguments {
  std::string model = "models/slotmatch/1", video = "samples/cups.mp4", json;
  int64_t streams = 4, steps = 10, rounds = 5, threads = 0;
};

// Frames per second of one round each; a round runs all three, so that a machine whose speed
// drifts slows all of them.
struct Round {
  double backbone = 0, model = 0, service = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

template <typename F>
double MedianOf(const std::vector<Round>& rounds, F value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(value(round));
  return Median(std::move(values));
}

absl::StatusOr<Round> RunRound(const Arguments& a, EngineBench* engine, ServiceBench* service) {
  const auto streams = static_cast<int>(a.streams), steps = static_cast<int>(a.steps);
  const auto frames = static_cast<double>(a.streams * a.steps);
  Round round;
  round.backbone = frames / absl::ToDoubleSeconds(engine->Backbone(streams, steps));
  SM_ASSIGN_OR_RETURN(const absl::Duration model, engine->WholeModel(streams, steps));
  round.model = frames / absl::ToDoubleSeconds(model);
  SM_ASSIGN_OR_RETURN(const absl::Duration served, service->Run(streams, steps));
  round.service = frames / absl::ToDoubleSeconds(served);
  return round;
}

nlohmann::json Report(const Arguments& a, const EngineBench& engine, const ServiceBench& service,
                      const std::vector<Round>& rounds) {
  const double backbone = MedianOf(rounds, [](const Round& r) { return r.backbone; });
  const double model = MedianOf(rounds, [](const Round& r) { return r.model; });
  const double served = MedianOf(rounds, [](const Round& r) { return r.service; });
  const double model_ratio = MedianOf(rounds, [](const Round& r) { return r.model / r.backbone; });
  const double service_ratio = MedianOf(rounds, [](const Round& r) { return r.service / r.model; });
  const double rss_mib = static_cast<double>(service.peak_rss_bytes()) / (1 << 20);
  std::printf("%s\nmodel %s, %dx%d px, %lld streams, medians of %lld rounds of %lld frames\n\n",
              engine.description().c_str(), engine.info().name.c_str(),
              engine.info().input_width_px, engine.info().input_height_px,
              static_cast<long long>(a.streams), static_cast<long long>(a.rounds),
              static_cast<long long>(a.streams * a.steps));
  std::printf("%-22s %10s %10s   %s\n", "", "frames/s", "ms/frame", "ratio");
  std::printf("%-22s %10.2f %10.1f\n", "backbone alone", backbone, 1000 / backbone);
  std::printf("%-22s %10.2f %10.1f   %.3f of backbone\n", "whole model (engine)", model,
              1000 / model, model_ratio);
  std::printf("%-22s %10.2f %10.1f   %.3f of engine\n", "through the service", served,
              1000 / served, service_ratio);
  std::printf("\nserver's peak memory %.0f MiB\n", rss_mib);
  return {{"streams", a.streams},
          {"backbone_fps", backbone},
          {"engine_fps", model},
          {"service_fps", served},
          {"engine_to_backbone", model_ratio},
          {"service_to_engine", service_ratio},
          {"server_peak_rss_mib", rss_mib}};
}

absl::Status Bench(const Arguments& a, const std::string& program) {
  if (a.streams < 1 || a.steps < 1 || a.rounds < 1) {
    return absl::InvalidArgumentError("--streams, --steps and --rounds must be at least 1");
  }
  SM_ASSIGN_OR_RETURN(const auto engine, EngineBench::Open(a.model, static_cast<int>(a.threads)));
  ServiceBench::Options options;
  options.server = (std::filesystem::path(program).parent_path() / "slotmatch_server").string();
  options.model = a.model;
  options.video = a.video;
  options.threads = static_cast<int>(a.threads);
  SM_ASSIGN_OR_RETURN(const auto service, ServiceBench::Start(options));
  SM_RETURN_IF_ERROR(RunRound(a, engine.get(), service.get()).status());  // warm-up, not counted
  std::vector<Round> rounds;
  Progress progress("bench", "rounds", a.rounds);
  for (int64_t i = 0; i < a.rounds; ++i) {
    SM_ASSIGN_OR_RETURN(const Round round, RunRound(a, engine.get(), service.get()));
    rounds.push_back(round);
    progress.Update(i + 1);
  }
  progress.Finish();
  const nlohmann::json report = Report(a, *engine, *service, rounds);
  return a.json.empty() ? absl::OkStatus() : WriteFileAtomically(a.json, report.dump(2) + "\n");
}

absl::Status Main(int argc, char** argv) {
  Arguments a;
  OptionTable options("slotmatch_bench",
                      "Compares the backbone alone, the whole model and the model through the "
                      "service, in one run.");
  options.Text("model", "DIR", "model directory", &a.model);
  options.Text("video", "FILE", "frames to send", &a.video);
  options.Integer("streams", "N", "streams at once", &a.streams);
  options.Integer("steps", "N", "frames of each stream in a round", &a.steps);
  options.Integer("rounds", "N", "rounds counted", &a.rounds);
  options.Integer("threads", "N", "LibTorch threads; 0: all CPUs", &a.threads);
  options.Text("json", "FILE", "write the figures there", &a.json);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.help_asked()) std::printf("%s", options.Help().c_str());
  if (options.version_asked()) {
    std::printf("%s", VersionText("slotmatch_bench", TorchLibraries()).c_str());
  }
  if (options.help_asked() || options.version_asked()) return absl::OkStatus();
  return Bench(a, argv[0]);
}

}  // namespace
}  // namespace slotmatch

int main(int argc, char** argv) {
  slotmatch::InitLog("warning", /*json=*/false);
  return slotmatch::ExitStatus("slotmatch_bench", slotmatch::Main(argc, argv));
}
