#include "trainer/eval/metrics.h"

#include <algorithm>

namespace slotmatch {
namespace {

double Pairs(double n) { return n * (n - 1); }

}  // namespace

int64_t* Contingency::Row(int object) {
  while (static_cast<int>(counts_.size()) <= object) {
    counts_.emplace_back(static_cast<size_t>(num_slots_), 0);
  }
  return counts_[object].data();
}

void Contingency::Add(const LabelMap& truth, const LabelMap& prediction) {
  Row(255);  // every id at once, so that no pixel has to look
  for (size_t i = 0; i < truth.labels.size(); ++i) {
    ++counts_[truth.labels[i]][prediction.labels[i]];
  }
  while (!counts_.empty() && std::all_of(counts_.back().begin(), counts_.back().end(),
                                         [](int64_t n) { return n == 0; })) {
    counts_.pop_back();
  }
}

void Contingency::Add(const Contingency& other) {
  for (size_t c = 0; c < other.counts_.size(); ++c) {
    int64_t* row = Row(static_cast<int>(c));
    for (int k = 0; k < num_slots_; ++k) row[k] += other.counts_[c][k];
  }
}

bool Contingency::has_objects() const { return counts_.size() > 1; }

double Contingency::FgAri() const {
  std::vector<double> slot_sums(static_cast<size_t>(num_slots_), 0.0);
  double together = 0, in_objects = 0, total = 0;
  for (size_t c = 1; c < counts_.size(); ++c) {
    double object = 0;
    for (int k = 0; k < num_slots_; ++k) {
      const auto n = static_cast<double>(counts_[c][k]);
      together += Pairs(n);
      object += n;
      slot_sums[k] += n;
    }
    in_objects += Pairs(object);
    total += object;
  }
  double in_slots = 0;
  for (const double n : slot_sums) in_slots += Pairs(n);
  const double expected = in_objects * in_slots / std::max(Pairs(total), 1.0);
  const double largest = (in_objects + in_slots) / 2;
  return largest == expected ? 1.0 : (together - expected) / (largest - expected);
}

double Contingency::Mbo() const {
  std::vector<double> slot_sums(static_cast<size_t>(num_slots_), 0.0);
  for (const auto& row : counts_) {
    for (int k = 0; k < num_slots_; ++k) slot_sums[k] += static_cast<double>(row[k]);
  }
  double sum = 0;
  int objects = 0;
  for (size_t c = 1; c < counts_.size(); ++c) {
    double area = 0;
    for (const int64_t n : counts_[c]) area += static_cast<double>(n);
    if (area == 0) continue;
    double best = 0;
    for (int k = 0; k < num_slots_; ++k) {
      const auto shared = static_cast<double>(counts_[c][k]);
      best = std::max(best, shared / (area + slot_sums[k] - shared));
    }
    sum += best;
    ++objects;
  }
  return objects == 0 ? 0.0 : sum / objects;
}

void ScoreBoard::AddFrame(const LabelMap& truth, const LabelMap& prediction) {
  Contingency frame(num_slots_);
  frame.Add(truth, prediction);
  video_.Add(frame);
  if (!frame.has_objects()) return;
  const double fg_ari = frame.FgAri(), mbo = frame.Mbo();
  for (Scores* sums : {&image_, &this_video_frames_}) {
    ++sums->items;
    sums->fg_ari += fg_ari;
    sums->mbo += mbo;
  }
}

ScoreBoard::VideoScores ScoreBoard::EndVideo() {
  VideoScores scores;
  scores.image = Mean(this_video_frames_);
  if (video_.has_objects()) {
    scores.video = {1, video_.FgAri(), video_.Mbo()};
    ++videos_.items;
    videos_.fg_ari += scores.video.fg_ari;
    videos_.mbo += scores.video.mbo;
  }
  video_ = Contingency(num_slots_);
  this_video_frames_ = {};
  return scores;
}

ScoreBoard::Scores ScoreBoard::Mean(const Scores& sums) {
  if (sums.items == 0) return {};
  const auto n = static_cast<double>(sums.items);
  return {sums.items, sums.fg_ari / n, sums.mbo / n};
}

}  // namespace slotmatch
