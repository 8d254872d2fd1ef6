#include "client/bench/run.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/load.h"
#include "client/bench/pictures.h"
#include "client/bench/ranges.h"
#include "client/bench/report.h"
#include "client/server_options.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int kPictures = 48;  // in memory, sent in turn

struct Arguments {
  ServerOptions server;
  std::string sessions = "1", fps = "0", distribution = "constant";
  std::string model, scheduling_class, video, csv, json, policy = "block";
  int64_t in_flight = 2, seed = 1, connections = 4, max_windows = 10, percentile = 99;
  double warm_up_s = 2, window_s = 2, stability = 0.1, max_p99_ms = 0;
};

OptionTable Table(Arguments* a) {
  OptionTable options("slotmatch_bench",
                      "Puts a load of streams on a slotmatch_server and measures latency and "
                      "throughput. Exit codes: 0 measured, 70 frames or sessions failed, 75 not "
                      "stable or over --max-p99, 69 no server.");
  a->server.AddTo(&options);
  options.Text("sessions", "LIST", "streams at once: 1,2,8 or from:to:step", &a->sessions);
  options.Text(
      "fps", "LIST",
      "frames per second of each stream, sent whatever comes back (open loop); 0: the next "
      "frame goes when an answer came (closed loop)",
      &a->fps);
  options.Text("distribution", "NAME", "open loop: times between frames, constant or poisson",
               &a->distribution);
  options.Integer("in-flight", "N", "closed loop: unanswered frames of each stream", &a->in_flight);
  options.Text("policy", "NAME", "what the server does with too many frames: block or latest",
               &a->policy);
  options.Text("model", "NAME", "model to use; empty: the server's default", &a->model);
  options.Text("class", "NAME", "scheduling class; empty: the server's default",
               &a->scheduling_class);
  options.Text("video", "SOURCE", "where pictures come from; empty: drawn ones, 640x360",
               &a->video);
  options.Integer("connections", "N", "connections that the streams share", &a->connections);
  options.Number("warm-up", "SECONDS", "not measured", &a->warm_up_s);
  options.Number("window", "SECONDS", "length of a measurement", &a->window_s);
  options.Integer("max-windows", "N", "measurements until three in a row must agree",
                  &a->max_windows);
  options.Number("stability", "SHARE", "how far those may be from their mean", &a->stability);
  options.Integer("percentile", "1..100", "latency that must agree", &a->percentile);
  options.Number("max-p99", "MS", "exit 75 when a p99 is longer; 0: any", &a->max_p99_ms);
  options.Integer("seed", "N", "of the times between frames", &a->seed);
  options.Text("csv", "FILE", "write a line per load there", &a->csv);
  options.Text("json", "FILE", "write all figures there", &a->json);
  return options;
}

absl::StatusOr<LoadOptions> OptionsOf(const Arguments& a) {
  LoadOptions load;
  if (a.distribution != "constant" && a.distribution != "poisson") {
    return absl::InvalidArgumentError("--distribution must be constant or poisson");
  }
  if (a.policy != "block" && a.policy != "latest") {
    return absl::InvalidArgumentError("--policy must be block or latest");
  }
  if (a.window_s <= 0 || a.warm_up_s < 0 || a.max_windows < load.min_windows) {
    return absl::InvalidArgumentError(
        absl::StrCat("--window must be above 0, --warm-up at least 0, --max-windows at least ",
                     load.min_windows));
  }
  if (a.in_flight < 1 || a.in_flight > 1000 || a.connections < 1 || a.connections > 1000) {
    return absl::InvalidArgumentError("--in-flight and --connections must be 1 to 1000");
  }
  if (a.stability <= 0 || a.percentile < 1 || a.percentile > 100) {
    return absl::InvalidArgumentError("--stability must be above 0, --percentile 1 to 100");
  }
  load.in_flight = static_cast<int>(a.in_flight);
  load.kind =
      a.distribution == "poisson" ? SendSchedule::Kind::kPoisson : SendSchedule::Kind::kConstant;
  load.seed = static_cast<uint64_t>(a.seed);
  load.warm_up = absl::Seconds(a.warm_up_s);
  load.window = absl::Seconds(a.window_s);
  load.max_windows = static_cast<int>(a.max_windows);
  load.quantile = static_cast<double>(a.percentile) / 100;
  load.tolerance = a.stability;
  load.config.set_model(a.model);
  load.config.set_scheduling_class(a.scheduling_class);
  if (a.policy == "latest") load.config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
  return load;
}

absl::Status CheckP99(const Arguments& a, const LoadResult& result) {
  const double p99_ms = absl::ToDoubleMilliseconds(result.total.latency.Quantile(0.99));
  if (a.max_p99_ms <= 0 || p99_ms <= a.max_p99_ms) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrFormat("p99 is %.1f ms, over --max-p99 %g", p99_ms, a.max_p99_ms));
}

// What the levels gave, and where it goes.
class Output {
 public:
  explicit Output(const Arguments& arguments) : arguments_(arguments) {}

  void Add(const LoadOptions& options, const LoadResult& result) {
    if (json_.empty()) std::printf("%s", LoadHeading().c_str());
    std::printf("%s", LoadLine(options, result).c_str());
    std::fflush(stdout);
    csv_ += LoadCsvLine(options, result);
    json_.push_back(LoadJson(options, result));
    const std::string level = absl::StrCat(options.sessions, " sessions at ", options.fps, " fps");
    status_.Update(Annotate(LoadVerdict(result), level));
    status_.Update(Annotate(CheckP99(arguments_, result), level));
  }
  void Failed(const absl::Status& status) { status_.Update(status); }

  absl::Status Write() const {
    if (!arguments_.csv.empty()) {
      SM_RETURN_IF_ERROR(WriteFileAtomically(arguments_.csv, csv_));
    }
    if (!arguments_.json.empty()) {
      SM_RETURN_IF_ERROR(WriteFileAtomically(arguments_.json, json_.dump(2) + "\n"));
    }
    return status_;
  }

 private:
  const Arguments& arguments_;
  std::string csv_ = LoadCsvHeading();
  nlohmann::json json_ = nlohmann::json::array();
  absl::Status status_;
};

absl::Status Bench(const Arguments& a) {
  SM_ASSIGN_OR_RETURN(LoadOptions load, OptionsOf(a));
  SM_ASSIGN_OR_RETURN(const std::vector<double> sessions, ParseRange("sessions", a.sessions, 1));
  SM_ASSIGN_OR_RETURN(const std::vector<double> rates, ParseRange("fps", a.fps, 0));
  SM_ASSIGN_OR_RETURN(const std::vector<std::string> pictures, ReadPictures(a.video, kPictures));
  std::vector<std::shared_ptr<grpc::Channel>> channels(a.connections);
  for (auto& channel : channels) {
    SM_ASSIGN_OR_RETURN(channel, a.server.Connect());
  }
  load.stop = StopOnSignals();
  Output output(a);
  for (const double count : sessions) {
    for (const double fps : rates) {
      load.sessions = static_cast<int>(count);
      load.fps = fps;
      const absl::StatusOr<LoadResult> result = RunLoad(channels, pictures, load);
      if (result.ok()) {
        output.Add(load, *result);
      } else {
        output.Failed(result.status());
      }
      if (load.stop->load()) output.Failed(absl::CancelledError("interrupted"));
      if (load.stop->load()) return output.Write();
    }
  }
  return output.Write();
}

}  // namespace

absl::Status RunBench(int argc, char** argv) {
  Arguments arguments;
  OptionTable options = Table(&arguments);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(ClientLibraries())) return absl::OkStatus();
  SM_RETURN_IF_ERROR(arguments.server.Finish());
  return Bench(arguments);
}

}  // namespace slotmatch
