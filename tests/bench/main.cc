#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "tests/bench/bench_run.h"

namespace slotmatch {
namespace {

constexpr char kProgram[] = "service_bench";

// Bars of `service`.
constexpr int64_t kServiceStreams = 8;
constexpr double kMinServiceToEngine = 0.95;
constexpr double kMaxAddedShare = 0.25;  // of the model's time for a frame
constexpr double kMaxSessionBytes = 64 * 1024;

void PrintSpeeds(const BenchOptions& options, const BenchWorld& world, const Speeds& speeds) {
  const ModelInfo& info = world.engine->info();
  std::printf("%s\nmodel %s, %dx%d px, %lld streams, medians of %lld rounds of %lld frames\n\n",
              world.engine->description().c_str(), info.name.c_str(), info.input_width_px,
              info.input_height_px, static_cast<long long>(options.streams),
              static_cast<long long>(options.rounds),
              static_cast<long long>(options.streams * options.steps));
  const Round& fps = speeds.fps;
  std::printf("%-22s %10s %10s   %s\n", "", "frames/s", "ms/frame", "ratio");
  std::printf("%-22s %10.2f %10.1f\n", "backbone alone", fps.backbone, 1000 / fps.backbone);
  std::printf("%-22s %10.2f %10.1f   %.3f of backbone\n", "whole model (engine)", fps.model,
              1000 / fps.model, speeds.model_to_backbone);
  std::printf("%-22s %10.2f %10.1f   %.3f of engine\n", "through the service", fps.service,
              1000 / fps.service, speeds.service_to_model);
  std::printf("\nserver's peak memory %.0f MiB\n",
              static_cast<double>(world.server->peak_rss_bytes()) / (1 << 20));
}

nlohmann::json SpeedsJson(const BenchOptions& options, const Speeds& speeds) {
  return {{"streams", options.streams},
          {"backbone_fps", speeds.fps.backbone},
          {"engine_fps", speeds.fps.model},
          {"service_fps", speeds.fps.service},
          {"engine_to_backbone", speeds.model_to_backbone},
          {"service_to_engine", speeds.service_to_model}};
}

// What is measured against a bar.
class Bars {
 public:
  void Row(const std::string& name, double value, const char* unit, bool at_least, double bar) {
    const bool met = at_least ? value >= bar : value <= bar;
    text_ += absl::StrFormat("%-52s %10.3f %-6s %s %-10.4g %s\n", name, value, unit,
                             at_least ? ">=" : "<=", bar, met ? "met" : "MISSED");
    if (!met) absl::StrAppend(&missed_, missed_.empty() ? "" : ", ", name);
  }
  const std::string& text() const { return text_; }
  absl::Status status() const {
    return missed_.empty() ? absl::OkStatus() : absl::InternalError("bars missed: " + missed_);
  }

 private:
  std::string text_, missed_;
};

absl::Status ServiceBars(const BenchOptions& options, const Speeds& speeds, BenchWorld* world,
                         nlohmann::json* report) {
  SM_ASSIGN_OR_RETURN(const AddedLatency added, MeasureAdded(options, world));
  SM_ASSIGN_OR_RETURN(const SessionMemory memory, MeasureSessions(options, world));
  Bars bars;
  bars.Row(absl::StrCat("service/engine, ", options.streams, " streams"), speeds.service_to_model,
           "", true, kMinServiceToEngine);
  bars.Row("p99 added to the model's time, one stream", added.p99_ms, "ms", false,
           kMaxAddedShare * added.model_ms);
  bars.Row(absl::StrCat("memory per session, ", memory.idle, " idle"), memory.idle_bytes / 1024,
           "KiB", false, kMaxSessionBytes / 1024);
  bars.Row(absl::StrCat("memory per session, ", memory.idle, " idle and ", memory.live, " live"),
           memory.all_bytes / 1024, "KiB", false, kMaxSessionBytes / 1024);
  std::printf(
      "\n%s\nmodel's time for a frame of one stream %.1f ms; %d live streams beside %d idle "
      "ones: %.2f frames/s\n",
      bars.text().c_str(), added.model_ms, memory.live, memory.idle, memory.live_fps);
  report->update({{"added_p99_ms", added.p99_ms},
                  {"model_ms", added.model_ms},
                  {"idle_sessions", memory.idle},
                  {"idle_session_bytes", memory.idle_bytes},
                  {"live_sessions", memory.live},
                  {"session_bytes", memory.all_bytes},
                  {"live_fps", memory.live_fps}});
  return bars.status();
}

absl::Status Bench(const BenchOptions& options, bool service, const std::string& json) {
  SM_ASSIGN_OR_RETURN(BenchWorld world, OpenWorld(options));
  SM_ASSIGN_OR_RETURN(const Speeds speeds, CompareSpeeds(options, &world));
  PrintSpeeds(options, world, speeds);
  nlohmann::json report = SpeedsJson(options, speeds);
  const absl::Status status =
      service ? ServiceBars(options, speeds, &world, &report) : absl::OkStatus();
  report["server_peak_rss_bytes"] = world.server->peak_rss_bytes();
  if (!json.empty()) SM_RETURN_IF_ERROR(WriteFileAtomically(json, report.dump(2) + "\n"));
  return status;
}

absl::Status Main(int argc, char** argv) {
  BenchOptions bench;
  std::string json;
  int64_t streams = 0;
  OptionTable options(kProgram,
                      "Compares the backbone alone, the whole model and the model through the "
                      "service, in one run. With `service`: also the latency and memory the "
                      "service adds, against bars; exit 70 when one is missed.");
  options.Text("model", "DIR", "model directory", &bench.model);
  options.Text("video", "FILE", "frames to send", &bench.video);
  options.Integer("streams", "N", "streams at once; 0: 4, or 8 with service", &streams);
  options.Integer("steps", "N", "frames of each stream in a round", &bench.steps);
  options.Integer("rounds", "N", "rounds counted", &bench.rounds);
  options.Integer("threads", "N", "LibTorch threads; 0: all CPUs", &bench.threads);
  options.Text("json", "FILE", "write the figures there", &json);
  SM_ASSIGN_OR_RETURN(const auto words, options.Parse(argc, argv, 1));
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  const bool service = !words.empty();
  if (service && words[0] != "service") {
    return absl::InvalidArgumentError("the only word known is 'service', not '" + words[0] + "'");
  }
  if (streams == 0 && service) streams = kServiceStreams;
  if (streams != 0) bench.streams = streams;
  const std::filesystem::path build =
      std::filesystem::absolute(argv[0]).parent_path().parent_path();
  bench.server = (build / "bin" / "slotmatch_server").string();
  return Bench(bench, service, json);
}

}  // namespace
}  // namespace slotmatch

int main(int argc, char** argv) {
  slotmatch::KeepFreedMemory();
  slotmatch::InitLog("warning", /*json=*/false);
  return slotmatch::ExitStatus(slotmatch::kProgram, slotmatch::Main(argc, argv));
}
