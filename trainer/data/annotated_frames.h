#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer/data/annotation_index.h"
#include "trainer/data/dataset.h"

namespace slotmatch {

// Images or videos whose frames are picture files and whose masks lie in one COCO-style JSON file.
// The n-th annotation of an item that is no crowd is object n, 1..254.
class AnnotatedFrames : public VideoDataset {
 public:
  struct Layout {
    std::string frames;   // folder that the file names are relative to
    bool videos = false;  // a video's annotations have one segmentation a frame
    ScoringRules rules;
  };
  // `items`: which of the index's items are the dataset's videos, in order.
  AnnotatedFrames(AnnotationIndex index, std::vector<size_t> items, Layout layout)
      : index_(std::move(index)), items_(std::move(items)), layout_(std::move(layout)) {}

  int64_t num_videos() const override { return static_cast<int64_t>(items_.size()); }
  std::string video_name(int64_t video) const override;
  bool has_labels() const override { return index_.num_annotations() > 0; }
  ScoringRules scoring_rules() const override { return layout_.rules; }
  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override;
  absl::StatusOr<std::string> ContentKey(int64_t video) const override;

 private:
  const AnnotationIndex::Item& item(int64_t video) const { return index_.items()[items_[video]]; }
  std::vector<std::string> Paths(int64_t video) const;

  AnnotationIndex index_;
  std::vector<size_t> items_;
  Layout layout_;
};

// The first of `names` that exists below `root`, or "".
std::string FirstExisting(const std::string& root, const std::vector<std::string>& names);

}  // namespace slotmatch
