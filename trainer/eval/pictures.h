#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/image/image.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// One column of a contact strip.
struct StripFrame {
  Image image;
  std::vector<LabelMap> predictions;  // one a model
  LabelMap truth;                     // empty: no row for it
};

// A PNG: sources, overlays of the predictions and of the truth below each other, one column a
// frame; at least one frame. Colours follow the label, as in the client's overlay.
std::string StripPng(const std::vector<StripFrame>& frames);

// Picks the frames of a strip while a clip of unknown length goes by, evenly spread, at most twice
// as many as the strip has columns at a time.
class StripCollector {
 public:
  // Whether frame `index` would be kept as of now.
  bool Wants(int64_t index) const { return index % stride_ == 0; }
  void Add(int64_t index, StripFrame frame);
  // The columns, at most five; empty when nothing was added.
  std::vector<StripFrame> Columns() const;

 private:
  int64_t stride_ = 1;
  std::vector<StripFrame> frames_;
};

// Keeps the pictures of the `best` highest and the `worst` lowest scores.
class RankedPictures {
 public:
  RankedPictures(size_t best, size_t worst) : best_count_(best), worst_count_(worst) {}

  // Whether a picture with that score would be kept as of now.
  bool Wants(double score) const;
  void Add(double score, const std::string& name, const std::string& png);
  // Writes FOLDER/<prefix>_best1_<name>_<score>.png and so on; slashes in names become '_'. A
  // picture can be among both.
  absl::Status Write(const std::string& folder, const std::string& prefix) const;

 private:
  struct Picture {
    std::string name, png;
  };
  size_t best_count_, worst_count_;
  std::multimap<double, Picture> best_, worst_;
};

}  // namespace slotmatch
