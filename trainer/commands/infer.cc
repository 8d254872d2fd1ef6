#include <torch/torch.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/eval/video_segmenter.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

nlohmann::json SlotLine(const SegmentedFrame& frame) {
  const LabelMap& map = frame.segmentation.map;
  const double pixels = static_cast<double>(map.width) * map.height;
  nlohmann::json line = {{"frame", frame.frame->index}};
  for (size_t k = 0; k < frame.segmentation.slots.size(); ++k) {
    const SlotStats& stats = frame.segmentation.slots[k];
    const torch::Tensor vector = frame.slots[static_cast<int64_t>(k)].contiguous();
    nlohmann::json slot = {{"id", frame.tracks[k].id},
                           {"index", k},
                           {"area_ratio", static_cast<double>(stats.area_px) / pixels},
                           {"confidence", stats.confidence}};
    if (stats.area_px > 0) slot["box"] = {stats.left, stats.top, stats.width, stats.height};
    slot["vector"] =
        std::vector<float>(vector.data_ptr<float>(), vector.data_ptr<float>() + vector.numel());
    line["slots"].push_back(std::move(slot));
  }
  return line;
}

}  // namespace

absl::Status InferCommand(int argc, char** argv) {
  std::string model, video, out, device = "cpu";
  OptionTable options("slotmatch_trainer infer",
                      "Segments a video file or a folder of frames without a server.");
  options.Text("model", "DIR", "model directory", &model);
  options.Text("video", "PATH", "video file, or folder of frames", &video);
  options.Text("out", "DIR", "writes masks/00000.png ... and slots.jsonl there", &out);
  options.Text("device", "NAME", "cpu, cuda, cuda:N or auto", &device);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  if (model.empty() || video.empty() || out.empty()) {
    return absl::InvalidArgumentError("infer needs --model, --video and --out");
  }
  config::DatasetConfig data;
  data.set_kind(fs::is_directory(video) ? "frames" : "video");
  data.set_path(video);
  SM_ASSIGN_OR_RETURN(const auto dataset, OpenDataset(data));
  SM_ASSIGN_OR_RETURN(VideoSegmenter segmenter, VideoSegmenter::Open(model, "", device));
  std::error_code error;
  fs::create_directories(fs::path(out) / "masks", error);
  std::ofstream lines(fs::path(out) / "slots.jsonl");
  if (!lines) return absl::AlreadyExistsError("cannot write in " + out);
  Progress progress("infer", "frames", 0);
  int64_t frames = 0;
  SM_RETURN_IF_ERROR(segmenter.Segment(*dataset, 0, false, [&](const SegmentedFrame& frame) {
    lines << SlotLine(frame).dump() << "\n";
    progress.Update(++frames);
    return WriteFileAtomically(absl::StrFormat("%s/masks/%05d.png", out, frame.frame->index),
                               EncodePalettePng(frame.segmentation.map));
  }));
  progress.Finish();
  std::printf("%lld frames -> %s\n", static_cast<long long>(frames), out.c_str());
  return absl::OkStatus();
}

}  // namespace slotmatch
