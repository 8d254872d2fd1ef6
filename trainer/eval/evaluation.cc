#include "trainer/eval/evaluation.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/status.h"
#include "trainer/eval/pictures.h"

namespace slotmatch {
namespace {

// What one model has collected so far. A copy from before a video takes the video back.
class ModelRun {
 public:
  ModelRun(const VideoSegmenter& model, const ScoringRules& rules, const EvaluationOptions& options)
      : board_(model.num_slots(), rules),
        with_pictures_(!options.pictures.empty()),
        pictures_(options.best, options.worst) {
    result_.model = model.manifest().name() + "/" + model.manifest().version();
  }

  absl::Status Add(int64_t video, const std::string& name, const SegmentedFrame& frame) {
    if (frame.step == 0) {
      EndClip();
      clip_ = {video, name, frame.frame->index, 0, {}};
    }
    const LabelMap &truth = frame.frame->labels, &prediction = frame.segmentation.map;
    std::vector<uint64_t> ids;
    for (const TrackedSlot& slot : frame.tracks) ids.push_back(slot.id);
    if (const absl::Status added = board_.AddFrame(truth, prediction, ids); !added.ok()) {
      return absl::DataLossError(
          absl::StrFormat("frame %d: %s", frame.frame->index, added.message()));
    }
    ++clip_.frames;
    if (with_pictures_ && strip_.Wants(frame.step)) {
      strip_.Add(frame.step, {frame.frame->image, {prediction}, truth});
    }
    return absl::OkStatus();
  }

  void EndClip() {
    if (clip_.frames == 0) return;
    clip_.scores = board_.EndVideo();
    const Score& score = ScoreOf(clip_.scores, "video_mbo");
    if (with_pictures_ && score.items > 0 && pictures_.Wants(score.value)) {
      pictures_.Add(score.value, absl::StrFormat("%s_%05d", clip_.name, clip_.first_frame),
                    StripPng(strip_.Columns()));
    }
    strip_ = {};
    result_.clips.push_back(std::move(clip_));
    clip_ = {};
  }

  void CountSkipped() { ++result_.skipped_videos; }
  Scores scores() const { return board_.scores(); }
  absl::Status WritePictures(const std::string& folder) const {
    return pictures_.Write(folder, result_.model);
  }
  ModelScores Result() const {
    ModelScores result = result_;
    result.scores = board_.scores();
    return result;
  }

 private:
  ModelScores result_;
  ScoreBoard board_;
  ClipScores clip_;
  bool with_pictures_;
  StripCollector strip_;
  RankedPictures pictures_;
};

// OK, with the video left out, where the reader or the scores refuse it.
absl::Status EvaluateVideo(const VideoDataset& dataset, int64_t video,
                           const EvaluationOptions& options, std::vector<VideoSegmenter>* models,
                           std::vector<ModelRun>* runs) {
  const std::vector<ModelRun> before = *runs;
  const std::string name = dataset.video_name(video);
  const absl::Status status = VideoSegmenter::SegmentWithAll(
      models, dataset, video, /*with_labels=*/true, options.clip_frames,
      [&](size_t model, const SegmentedFrame& frame) {
        if (options.watch) options.watch(model, video, frame);
        return (*runs)[model].Add(video, name, frame);
      });
  if (absl::IsDataLoss(status)) {
    SM_WARNING("video skipped name={} reason=\"{}\"", name, std::string(status.message()));
    *runs = before;
    for (ModelRun& run : *runs) run.CountSkipped();
    return absl::OkStatus();
  }
  for (ModelRun& run : *runs) run.EndClip();
  return status;
}

}  // namespace

absl::StatusOr<std::vector<ModelScores>> Evaluate(const VideoDataset& dataset,
                                                  std::vector<VideoSegmenter>* models,
                                                  const EvaluationOptions& options) {
  std::vector<ModelRun> runs;
  for (const VideoSegmenter& model : *models) {
    runs.emplace_back(model, dataset.scoring_rules(), options);
  }
  int64_t videos = dataset.num_videos();
  if (options.max_videos > 0) videos = std::min(videos, options.max_videos);
  Progress progress("evaluate", "videos", videos);
  for (int64_t video = 0; video < videos; ++video) {
    SM_RETURN_IF_ERROR(EvaluateVideo(dataset, video, options, models, &runs));
    const Scores scores = runs.front().scores();
    progress.Update(video + 1, absl::StrFormat("image FG-ARI %.3f  video mBO %.3f",
                                               ScoreOf(scores, "image_fg_ari").value,
                                               ScoreOf(scores, "video_mbo").value));
  }
  progress.Finish();
  std::vector<ModelScores> results;
  for (const ModelRun& run : runs) {
    results.push_back(run.Result());
    if (results.back().clips.empty()) return absl::DataLossError("no video could be scored");
    if (!options.pictures.empty()) SM_RETURN_IF_ERROR(run.WritePictures(options.pictures));
  }
  return results;
}

}  // namespace slotmatch
