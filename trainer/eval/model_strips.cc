#include "trainer/eval/model_strips.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "trainer/eval/pictures.h"

namespace slotmatch {

absl::StatusOr<std::string> ModelStrips(const VideoDataset& dataset, int64_t video,
                                        std::vector<VideoSegmenter>* models) {
  std::vector<StripCollector> collectors(models->size());
  SM_RETURN_IF_ERROR(VideoSegmenter::SegmentWithAll(
      models, dataset, video, dataset.has_labels(), /*clip_frames=*/0,
      [&collectors](size_t model, const SegmentedFrame& frame) {
        StripCollector& collector = collectors[model];
        if (collector.Wants(frame.step)) {
          collector.Add(frame.step,
                        {frame.frame->image, {frame.segmentation.map}, frame.frame->labels});
        }
        return absl::OkStatus();
      }));
  std::vector<StripFrame> columns =
      collectors.empty() ? std::vector<StripFrame>() : collectors[0].Columns();
  if (columns.empty()) {
    return absl::DataLossError(absl::StrCat(dataset.video_name(video), ": nothing to show"));
  }
  for (size_t model = 1; model < collectors.size(); ++model) {
    std::vector<StripFrame> more = collectors[model].Columns();
    for (size_t i = 0; i < columns.size(); ++i) {
      columns[i].predictions.push_back(std::move(more[i].predictions[0]));
    }
  }
  return StripPng(columns);
}

}  // namespace slotmatch
