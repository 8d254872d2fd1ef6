#include "trainer/eval/score_report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/text_table.h"
#include "trainer/eval/metric_table.h"

namespace slotmatch {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Items of one metric by video, in the order of the videos.
std::vector<VideoItems> ItemsByVideo(const ModelScores& model, size_t metric) {
  std::map<int64_t, VideoItems> videos;
  for (const ClipScores& clip : model.clips) {
    const Score& score = clip.scores[metric];
    VideoItems& video = videos[clip.video];
    video.sum += score.value * static_cast<double>(score.items);
    video.items += score.items;
  }
  std::vector<VideoItems> items;
  for (const auto& [video, sums] : videos) items.push_back(sums);
  return items;
}

std::string Field(const std::string& text) {  // RFC 4180
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string Cell(double value, const Interval& interval, bool with_sign) {
  const auto print = [with_sign](double number) {
    return with_sign ? absl::StrFormat("%+.4f", number) : absl::StrFormat("%.4f", number);
  };
  if (std::isnan(interval.low)) return print(value);
  return absl::StrCat(print(value), " [", print(interval.low), ", ", print(interval.high), "]");
}

nlohmann::json Pair(const Interval& interval) {
  if (std::isnan(interval.low)) return nullptr;
  return {interval.low, interval.high};
}

nlohmann::json ModelAsJson(const ModelScores& model, const std::vector<Estimate>& estimates) {
  nlohmann::json object = {{"model", model.model},
                           {"items", ScoreOf(model.scores, "image_fg_ari").items},
                           {"videos", ScoreOf(model.scores, "video_fg_ari").items},
                           {"skipped_videos", model.skipped_videos}};
  for (size_t m = 0; m < estimates.size(); ++m) {
    const Score& score = estimates[m].score;
    const char* name = MetricTable()[m].name;
    object[name] = score.items > 0 ? nlohmann::json(score.value) : nlohmann::json();
    object["confidence"][name] = Pair(estimates[m].interval);
  }
  return object;
}

std::string Headline(const ModelScores& model, const Confidence& confidence) {
  int64_t frames = 0, videos = 0, last_video = -1;
  for (const ClipScores& clip : model.clips) {
    frames += clip.frames;
    videos += clip.video == last_video ? 0 : 1;
    last_video = clip.video;
  }
  std::string text = absl::StrCat(videos, " videos, ", frames, " frames");
  if (videos > 1) {
    absl::StrAppendFormat(&text, "; [%g %% interval: bootstrap over videos, %d draws, seed %d]",
                          100 * confidence.level, confidence.draws, confidence.seed);
  }
  return text + "\n";
}

}  // namespace

std::vector<std::vector<Estimate>> Estimates(const std::vector<ModelScores>& models,
                                             const Confidence& confidence) {
  const size_t metrics = MetricTable().size();
  std::vector<std::vector<Estimate>> estimates(models.size(), std::vector<Estimate>(metrics));
  for (size_t m = 0; m < metrics; ++m) {
    std::vector<double> first;
    for (size_t i = 0; i < models.size(); ++i) {
      Estimate& estimate = estimates[i][m];
      estimate.score = models[i].scores[m];
      estimate.difference = estimate.score.value - models[0].scores[m].value;
      estimate.interval = estimate.difference_interval = {kNan, kNan};
      const std::vector<VideoItems> videos = ItemsByVideo(models[i], m);
      if (videos.size() < 2) continue;
      std::vector<double> means = ResampledMeans(videos, confidence.seed, confidence.draws);
      estimate.interval = PercentileInterval(means, confidence.level);
      if (i == 0) first = means;
      for (size_t draw = 0; draw < means.size(); ++draw) means[draw] -= first[draw];
      estimate.difference_interval = PercentileInterval(std::move(means), confidence.level);
    }
  }
  return estimates;
}

std::string ScoreTable(const std::vector<ModelScores>& models, const Confidence& confidence) {
  const auto estimates = Estimates(models, confidence);
  TextRows rows = {{"metric"}};
  for (const ModelScores& model : models) rows[0].push_back(model.model);
  for (size_t i = 1; i < models.size(); ++i) {
    rows[0].push_back(absl::StrCat(models[i].model, " - ", models[0].model));
  }
  for (size_t m = 0; m < MetricTable().size(); ++m) {
    rows.push_back({MetricTable()[m].name});
    for (const auto& of_model : estimates) {
      const Estimate& estimate = of_model[m];
      rows.back().push_back(
          estimate.score.items == 0 ? "-" : Cell(estimate.score.value, estimate.interval, false));
    }
    for (size_t i = 1; i < models.size(); ++i) {
      const Estimate& estimate = estimates[i][m];
      rows.back().push_back(estimate.score.items == 0
                                ? "-"
                                : Cell(estimate.difference, estimate.difference_interval, true));
    }
  }
  return Headline(models[0], confidence) + AlignedTable(rows);
}

std::string ScoresAsCsv(const std::vector<ModelScores>& models) {
  std::string text = "model,video,first_frame,frames";
  for (const MetricRow& row : MetricTable()) absl::StrAppend(&text, ",", row.name);
  text += "\n";
  for (const ModelScores& model : models) {
    for (const ClipScores& clip : model.clips) {
      absl::StrAppend(&text, Field(model.model), ",", Field(clip.name), ",", clip.first_frame, ",",
                      clip.frames);
      for (const Score& score : clip.scores) {
        text += ",";
        if (score.items > 0) absl::StrAppendFormat(&text, "%.6f", score.value);
      }
      text += "\n";
    }
  }
  return text;
}

nlohmann::json ScoresAsJson(const std::vector<ModelScores>& models, const Confidence& confidence) {
  const auto estimates = Estimates(models, confidence);
  nlohmann::json object = ModelAsJson(models[0], estimates[0]);
  object["bootstrap"] = {
      {"confidence", confidence.level}, {"seed", confidence.seed}, {"draws", confidence.draws}};
  for (size_t i = 1; i < models.size(); ++i) {
    nlohmann::json other = ModelAsJson(models[i], estimates[i]);
    for (size_t m = 0; m < MetricTable().size(); ++m) {
      if (estimates[i][m].score.items == 0) continue;
      other["difference"][MetricTable()[m].name] = {
          {"value", estimates[i][m].difference},
          {"interval", Pair(estimates[i][m].difference_interval)}};
    }
    object["others"].push_back(std::move(other));
  }
  return object;
}

}  // namespace slotmatch
