#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/options.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "trainer/commands/commands.h"
#include "trainer/eval/metric_table.h"
#include "trainer/eval/pictures.h"
#include "trainer/eval/score_board.h"
#include "trainer/eval/video_segmenter.h"

namespace slotmatch {
namespace {

constexpr int kStripColumns = 5;

struct EvaluateArguments {
  std::vector<std::string> models;
  std::string json, csv, pictures, mask_source;
  config::DatasetConfig data;
  int64_t max_videos = 0;
};

struct VideoRow {
  std::string name;
  Scores scores;
};

struct Evaluation {
  std::string model;
  Scores scores;
  std::vector<VideoRow> rows;
  int64_t skipped = 0;
};

// Frames of a video for its strip: the first of every stride-th.
class StripCollector {
 public:
  explicit StripCollector(bool wanted) : wanted_(wanted) {}
  void Add(const SegmentedFrame& frame) {
    if (!wanted_) return;
    // Every stride-th frame is kept; when full, every second of them goes and the stride doubles.
    if (frame.frame->index % stride_ != 0) return;
    if (frames_.size() == 2 * kStripColumns) {
      for (size_t i = 1; i < frames_.size() / 2; ++i) frames_[i] = std::move(frames_[2 * i]);
      frames_.resize(frames_.size() / 2);
      stride_ *= 2;
      if (frame.frame->index % stride_ != 0) return;
    }
    frames_.push_back({frame.frame->image, frame.segmentation.map, frame.frame->labels});
  }
  absl::Status Write(const std::string& path) {
    if (!wanted_ || frames_.empty()) return absl::OkStatus();
    std::vector<StripFrame> columns;
    for (int i = 0; i < kStripColumns; ++i) {
      columns.push_back(frames_[i * (frames_.size() - 1) / (kStripColumns - 1)]);
    }
    return WriteStrip(path, columns);
  }

 private:
  bool wanted_;
  int64_t stride_ = 1;
  std::vector<StripFrame> frames_;
};

absl::StatusOr<Evaluation> EvaluateModel(const std::string& model, const VideoDataset& dataset,
                                         const EvaluateArguments& arguments) {
  SM_ASSIGN_OR_RETURN(VideoSegmenter segmenter, VideoSegmenter::Open(model, arguments.mask_source));
  ScoreBoard board(segmenter.num_slots(), dataset.scoring_rules());
  Evaluation result;
  result.model = segmenter.manifest().name() + "/" + segmenter.manifest().version();
  int64_t videos = dataset.num_videos();
  if (arguments.max_videos > 0) videos = std::min(videos, arguments.max_videos);
  Progress progress("evaluate " + result.model, "videos", videos);
  for (int64_t video = 0; video < videos; ++video) {
    StripCollector strip(!arguments.pictures.empty());
    const absl::Status status =
        segmenter.Segment(dataset, video, true, [&](const SegmentedFrame& frame) {
          strip.Add(frame);
          const absl::Status added = board.AddFrame(frame.frame->labels, frame.segmentation.map);
          return added.ok() ? added : absl::DataLossError(added.message());
        });
    if (absl::IsDataLoss(status)) {
      SM_WARNING("video skipped name={} reason=\"{}\"", dataset.video_name(video),
                 std::string(status.message()));
      ++result.skipped;
      board.DropVideo();
      continue;
    }
    SM_RETURN_IF_ERROR(status);
    result.rows.push_back({dataset.video_name(video), board.EndVideo()});
    SM_RETURN_IF_ERROR(strip.Write(absl::StrFormat(
        "%s/%s_%s_%.3f.png", arguments.pictures, segmenter.manifest().name(),
        result.rows.back().name, ScoreOf(result.rows.back().scores, "video_mbo").value)));
    progress.Update(video + 1, absl::StrFormat("image FG-ARI %.3f  video mBO %.3f",
                                               ScoreOf(board.scores(), "image_fg_ari").value,
                                               ScoreOf(board.scores(), "video_mbo").value));
  }
  result.scores = board.scores();
  return result;
}

void PrintTable(const std::vector<Evaluation>& evaluations) {
  std::printf("%-24s %7s %12s %12s %10s %10s\n", "model", "frames", "image FG-ARI", "video FG-ARI",
              "image mBO", "video mBO");
  for (const Evaluation& e : evaluations) {
    std::printf("%-24s %7lld %12.4f %12.4f %10.4f %10.4f\n", e.model.c_str(),
                static_cast<long long>(ScoreOf(e.scores, "image_fg_ari").items),
                ScoreOf(e.scores, "image_fg_ari").value, ScoreOf(e.scores, "video_fg_ari").value,
                ScoreOf(e.scores, "image_mbo").value, ScoreOf(e.scores, "video_mbo").value);
  }
}

nlohmann::json ToJson(const Evaluation& e) {
  nlohmann::json object = {{"model", e.model},
                           {"items", ScoreOf(e.scores, "image_fg_ari").items},
                           {"videos", ScoreOf(e.scores, "video_fg_ari").items},
                           {"skipped_videos", e.skipped}};
  for (size_t i = 0; i < e.scores.size(); ++i) {
    object[MetricTable()[i].name] = e.scores[i].value;
  }
  return object;
}

absl::Status WriteFiles(const EvaluateArguments& arguments,
                        const std::vector<Evaluation>& evaluations) {
  if (!arguments.json.empty()) {
    nlohmann::json object = ToJson(evaluations.front());
    for (size_t i = 1; i < evaluations.size(); ++i) {
      object["others"].push_back(ToJson(evaluations[i]));
    }
    SM_RETURN_IF_ERROR(WriteFileAtomically(arguments.json, object.dump(2) + "\n"));
  }
  if (!arguments.csv.empty()) {
    std::string text = "model,video";
    for (const MetricRow& row : MetricTable()) absl::StrAppend(&text, ",", row.name);
    text += "\n";
    for (const Evaluation& e : evaluations) {
      for (const VideoRow& row : e.rows) {
        absl::StrAppend(&text, e.model, ",", row.name);
        for (const Score& score : row.scores) absl::StrAppendFormat(&text, ",%.6f", score.value);
        text += "\n";
      }
    }
    SM_RETURN_IF_ERROR(WriteFileAtomically(arguments.csv, text));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EvaluateCommand(int argc, char** argv) {
  EvaluateArguments arguments;
  std::string kind = "davis", path, split = "val";
  OptionTable options("slotmatch_trainer evaluate",
                      "Scores models on a labelled dataset: FG-ARI and mBO, image and video.");
  options.Repeated("model", "DIR", "model directory, e.g. models/slotmatch/1", &arguments.models);
  options.Text("data", "DIR", "root of the dataset", &path);
  options.Text("split", "NAME", "list under ImageSets/", &split);
  options.Text("kind", "NAME", "dataset layout", &kind);
  options.Text("json", "FILE", "write the scores as a JSON object", &arguments.json);
  options.Text("csv", "FILE", "write one line per video", &arguments.csv);
  options.Text("pictures", "DIR", "write a strip of frames, prediction and truth per video",
               &arguments.pictures);
  options.Integer("max-videos", "N", "score only the first N videos; 0: all",
                  &arguments.max_videos);
  options.Text("mask-source", "NAME", "attention or decoder; empty: what the manifest says",
               &arguments.mask_source);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.help_asked()) {
    std::printf("%s", options.Help().c_str());
    return absl::OkStatus();
  }
  if (arguments.models.empty() || path.empty()) {
    return absl::InvalidArgumentError("evaluate needs --model DIR and --data DIR");
  }
  arguments.data.set_kind(kind);
  arguments.data.set_path(path);
  arguments.data.set_split(split);
  SM_ASSIGN_OR_RETURN(const auto dataset, OpenDataset(arguments.data));
  if (!dataset->has_labels()) {
    return absl::DataLossError(path + " has no annotations to score against");
  }
  std::vector<Evaluation> evaluations;
  for (const std::string& model : arguments.models) {
    SM_ASSIGN_OR_RETURN(Evaluation evaluation, EvaluateModel(model, *dataset, arguments));
    evaluations.push_back(std::move(evaluation));
  }
  PrintTable(evaluations);
  return WriteFiles(arguments, evaluations);
}

}  // namespace slotmatch
