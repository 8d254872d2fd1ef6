#pragma once

#include <cstdint>
#include <vector>

#include "core/image/mask_codec.h"

namespace slotmatch {

// How often object c and slot k own the same pixel, counted exactly. Row 0 is unlabelled pixels.
class Contingency {
 public:
  explicit Contingency(int num_slots) : num_slots_(num_slots) {}

  // Maps of the same size; truth: object ids, 0 unlabelled; prediction: slot indices < num_slots.
  void Add(const LabelMap& truth, const LabelMap& prediction);
  void Add(const Contingency& other);

  bool has_objects() const;  // any labelled pixel
  // FG-ARI: adjusted Rand index over labelled pixels only (slotcontrast/metrics.py); 1 when its
  // denominator is 0.
  double FgAri() const;
  // Mean over objects of the best IoU with any slot, |slot| over all pixels (same file).
  double Mbo() const;

 private:
  int64_t* Row(int object);
  int num_slots_;
  std::vector<std::vector<int64_t>> counts_;  // [object][slot]
};

// Accumulates image-level and video-level scores over a dataset. Items without any labelled pixel
// are skipped.
class ScoreBoard {
 public:
  explicit ScoreBoard(int num_slots) : num_slots_(num_slots), video_(num_slots) {}

  void AddFrame(const LabelMap& truth, const LabelMap& prediction);
  // Ends a video; its own scores.
  struct Scores {
    int64_t items = 0;  // videos at video level, frames at image level
    double fg_ari = 0, mbo = 0;
  };
  struct VideoScores {
    Scores image, video;
  };
  VideoScores EndVideo();

  Scores image() const { return Mean(image_); }
  Scores video() const { return Mean(videos_); }

 private:
  static Scores Mean(const Scores& sums);
  int num_slots_;
  Contingency video_;
  Scores image_, videos_;     // sums
  Scores this_video_frames_;  // sums
};

}  // namespace slotmatch
