#include "client/run.h"

#include <stdlib.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <opencv2/core/utils/logger.hpp>

#include "client/admin.h"
#include "client/segment_list.h"
#include "client/segment_video.h"
#include "client/server_options.h"
#include "client/stream_client.h"
#include "core/base/options.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

// FFmpeg and OpenCV print their own lines about damaged files; ours says it once.
void QuietDecoders() {
  if (getenv("OPENCV_LOG_LEVEL") == nullptr) {  // OpenCV has read it by now
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  }
  setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*replace=*/0);
}

struct Arguments {
  ServerOptions server;
  std::string health_service = "readiness";
  bool health = false, list_models = false, json = false, quiet = false;
  SegmentOptions segment;
  std::string list;  // of videos; empty: one video
  std::string shard = "0/1";
};

void AddSource(OptionTable* options, SegmentOptions* segment) {
  options->Text(
      "video", "SOURCE",
      "video file, folder of pictures, pattern of pictures ('in/*.png'), - (stdin), camera "
      "(0, /dev/video0) or stream URL (rtsp://...)",
      &segment->source);
  options->Text("stdin-format", "FORMAT",
                "what stdin holds: mjpeg, or pixels as bgr24:640x360 (also rgb24, gray)",
                &segment->stdin_format);
  options->Text("frame-policy", "NAME",
                "frames that come faster than they are computed: block, latest, drop-oldest or "
                "drop-newest; empty: latest for cameras and streams, else block",
                &segment->frame_policy);
  options->Flag("skip-duplicates", "do not compute frames that equal the one before them",
                &segment->skip_duplicates);
}

OptionTable Table(Arguments* arguments) {
  OptionTable options("slotmatch_client",
                      "Sends a video to a slotmatch_server and writes what comes back. "
                      "'slotmatch_client admin --help' runs a server.");
  SegmentOptions* segment = &arguments->segment;
  AddSource(&options, segment);
  options.Text("out", "DIR",
               "writes overlay.mp4, masks/, slots.jsonl, slots.safetensors and summary.json there",
               &segment->out);
  options.Text(
      "list", "FILE",
      "file with one video a line, instead of --video; each gets a folder below --out, and "
      "those that have their results are skipped",
      &arguments->list);
  options.Text("shard", "I/N", "takes every N-th video of the list, from the I-th on",
               &arguments->shard);
  arguments->server.AddTo(&options);
  options.Text("model", "NAME", "model to use; empty: the server's default", &segment->model);
  options.Text("class", "NAME",
               "scheduling class, such as realtime or batch; empty: the server's default",
               &segment->scheduling_class);
  options.Text("masks", "SIZE", "masks the server sends: source, grid (smaller) or none",
               &segment->masks);
  options.Text("codec", "NAME", "how video frames are sent: jpeg, png or raw", &segment->codec);
  options.Integer("jpeg-quality", "1..100", "quality of sent JPEGs", &segment->jpeg_quality);
  options.Integer("max-frames", "N", "stop after N frames; 0: all", &segment->max_frames);
  options.Integer("stride", "N", "send every N-th frame", &segment->stride);
  options.Number(
      "resume-for", "SECONDS",
      "when the server, a camera or a stream is lost, go on if one is found in this time",
      &segment->resume_for_s);
  options.Flag("json", "print the summary as JSON on stdout", &arguments->json);
  options.Flag("quiet", "no progress bar", &arguments->quiet);
  options.Flag("health", "exit 0 when the server is ready, 69 when not", &arguments->health);
  options.Text("health-service", "NAME", "name that --health asks for", &arguments->health_service);
  options.Flag("list-models", "print the models the server has loaded", &arguments->list_models);
  return options;
}

absl::Status PrintModels(const std::shared_ptr<grpc::Channel>& channel, absl::Duration patience) {
  SM_ASSIGN_OR_RETURN(const v1::ListModelsResponse response, ListModels(channel, patience));
  for (const v1::ModelInfo& model : response.models()) {
    std::printf("%-16s version %s  %s  %u slots of %u  input %ux%u%s\n", model.name().c_str(),
                model.version().c_str(), model.role().c_str(), model.num_slots(), model.slot_dim(),
                model.input_width(), model.input_height(),
                model.name() == response.default_model() ? "  (default)" : "");
  }
  return absl::OkStatus();
}

void PrintSummary(const nlohmann::json& summary, const std::string& out) {
  std::printf("%lld frames, %lld objects tracked, %.1f frames/s, model %s",
              summary.at("frames").get<long long>(), summary.at("objects_tracked").get<long long>(),
              summary.at("frames_per_second").get<double>(),
              summary.at("model").at("name").get<std::string>().c_str());
  if (summary.at("frames_failed").get<int64_t>() > 0) {
    std::printf(", %lld frames failed (%s)", summary.at("frames_failed").get<long long>(),
                summary.at("first_frame_error").get<std::string>().c_str());
  }
  std::printf("%s%s\n", out.empty() ? "" : " -> ", out.c_str());
}

absl::Status Segment(const Connector& connect, Arguments* arguments) {
  arguments->segment.stop = StopOnSignals();
  arguments->segment.progress = !arguments->quiet;
  const SegmentReport report = SegmentVideo(connect, arguments->segment);
  if (report.summary != nullptr) {
    if (arguments->json) {
      std::printf("%s\n", report.summary->dump(2).c_str());
    } else {
      PrintSummary(*report.summary, arguments->segment.out);
    }
  }
  return report.status;
}

void PrintListed(const ListedVideo& video, const SegmentReport& report) {
  if (report.summary != nullptr) {
    std::printf("%s: ", video.source.c_str());
    PrintSummary(*report.summary, video.folder);
  } else {
    std::printf("%s: %s\n", video.source.c_str(), std::string(report.status.message()).c_str());
  }
  std::fflush(stdout);
}

absl::Status SegmentListed(const Connector& connect, Arguments* arguments) {
  ListOptions options;
  SM_ASSIGN_OR_RETURN(options.shard, ParseShard(arguments->shard));
  if (!arguments->segment.source.empty()) {
    return absl::InvalidArgumentError("--video and --list exclude each other");
  }
  options.list = arguments->list;
  options.segment = arguments->segment;
  options.segment.stop = StopOnSignals();
  options.segment.progress = !arguments->quiet;
  options.on_video = [json = arguments->json](const ListedVideo& video,
                                              const SegmentReport& report) {
    if (!json) return PrintListed(video, report);
    if (report.summary != nullptr) std::printf("%s\n", report.summary->dump().c_str());
    std::fflush(stdout);
  };
  return SegmentList(connect, options);
}

}  // namespace

absl::Status RunClient(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "admin") return RunAdmin(argc - 1, argv + 1);
  Arguments arguments;
  OptionTable options = Table(&arguments);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(ClientLibraries())) return absl::OkStatus();
  const bool asks = arguments.health || arguments.list_models;
  if (!asks && arguments.segment.source.empty() && arguments.list.empty()) {
    return absl::InvalidArgumentError("--video SOURCE or --list FILE is needed; see --help");
  }
  QuietDecoders();
  SM_RETURN_IF_ERROR(arguments.server.Finish());
  const absl::Duration patience = absl::Seconds(arguments.server.connect_timeout_s);
  const Connector connect = [&] { return arguments.server.Connect(); };
  if (!asks && !arguments.list.empty()) return SegmentListed(connect, &arguments);
  if (!asks) return Segment(connect, &arguments);
  SM_ASSIGN_OR_RETURN(const auto channel, connect());
  if (arguments.health) return CheckHealth(channel, arguments.health_service, patience);
  return PrintModels(channel, patience);
}

}  // namespace slotmatch
