#include "trainer/data/dataset_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/data/read_ahead.h"

namespace slotmatch {
namespace {

using nlohmann::json;
using Histogram = std::map<int64_t, int64_t>;

// One video's part of the report, added when it was read to its end.
struct VideoCounts {
  int64_t frames = 0, labelled_frames = 0;
  std::map<std::pair<int, int>, int64_t> sizes;
  std::array<int64_t, 256> pixels{};  // by label

  void Add(const DatasetFrame& frame) {
    ++frames;
    ++sizes[{frame.image.width, frame.image.height}];
    if (frame.labels.labels.empty()) return;
    ++labelled_frames;
    for (const uint8_t label : frame.labels.labels) ++pixels[label];
  }
};

void AddVideo(const VideoCounts& video, DatasetReport* report) {
  ++report->videos;
  ++report->lengths[video.frames];
  report->frames += video.frames;
  report->labelled_frames += video.labelled_frames;
  for (const auto& [size, frames] : video.sizes) report->sizes[size] += frames;
  if (video.labelled_frames == 0) return;
  int64_t objects = 0;
  for (int label = 0; label <= kOverlapLabel; ++label) {
    report->labelled_pixels += video.pixels[label];
    if (label == 0 || label == kOverlapLabel || video.pixels[label] == 0) continue;
    ++objects;
    report->min_label = report->min_label == 0 ? label : std::min(report->min_label, label);
    report->max_label = std::max(report->max_label, label);
  }
  report->background_pixels += video.pixels[0];
  report->overlap_pixels += video.pixels[kOverlapLabel];
  ++report->objects[objects];
}

double MeanOf(const Histogram& histogram) {
  double sum = 0, count = 0;
  for (const auto& [value, times] : histogram) {
    sum += static_cast<double>(value) * static_cast<double>(times);
    count += static_cast<double>(times);
  }
  return count > 0 ? sum / count : 0;
}

// "min 3, mean 5.2, max 8"
std::string Spread(const Histogram& histogram) {
  if (histogram.empty()) return "none";
  return absl::StrFormat("min %d, mean %.2f, max %d", histogram.begin()->first, MeanOf(histogram),
                         histogram.rbegin()->first);
}

json SpreadJson(const Histogram& histogram) {
  json result = {{"histogram", json::object()}};
  for (const auto& [value, times] : histogram) result["histogram"][absl::StrCat(value)] = times;
  if (histogram.empty()) return result;
  result["min"] = histogram.begin()->first;
  result["mean"] = MeanOf(histogram);
  result["max"] = histogram.rbegin()->first;
  return result;
}

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

absl::StatusOr<DatasetReport> ReportOn(const VideoDataset& dataset, int64_t max_videos, int workers,
                                       Progress* progress) {
  const int64_t count =
      max_videos > 0 ? std::min(max_videos, dataset.num_videos()) : dataset.num_videos();
  ReadAhead reader(dataset, FileOrder(count), dataset.has_labels(), workers);
  DatasetReport report;
  VideoCounts video;
  int64_t done = 0;
  while (std::optional<ReadAhead::Item> item = reader.Next()) {
    if (item->frame.has_value()) {
      video.Add(*item->frame);
      continue;
    }
    const std::string name = dataset.video_name(item->video);
    if (item->status.ok()) {
      AddVideo(video, &report);
    } else {
      report.skipped.emplace_back(name, std::string(item->status.message()));
    }
    video = {};
    if (progress != nullptr) progress->Update(++done, name);
  }
  return report;
}

std::string ToText(const DatasetReport& report) {
  std::string text = absl::StrFormat("videos            %d\nframes            %d (%s a video)\n",
                                     report.videos, report.frames, Spread(report.lengths));
  for (const auto& [size, frames] : report.sizes) {
    absl::StrAppendFormat(&text, "size              %dx%d px: %d frames\n", size.first, size.second,
                          frames);
  }
  absl::StrAppendFormat(&text, "labelled frames   %d\n", report.labelled_frames);
  if (report.labelled_frames > 0) {
    absl::StrAppendFormat(&text, "objects a video   %s\n", Spread(report.objects));
    for (const auto& [objects, videos] : report.objects) {
      absl::StrAppendFormat(&text, "  %3d objects     %d videos\n", objects, videos);
    }
    absl::StrAppendFormat(&text, "labels            %d to %d\n", report.min_label,
                          report.max_label);
    absl::StrAppendFormat(&text,
                          "background        %.2f %% of the pixels\noverlaps          %.2f %%\n",
                          100 * Share(report.background_pixels, report.labelled_pixels),
                          100 * Share(report.overlap_pixels, report.labelled_pixels));
  }
  absl::StrAppendFormat(&text, "skipped videos    %d\n", report.skipped.size());
  for (const auto& [name, reason] : report.skipped) {
    absl::StrAppendFormat(&text, "  %s: %s\n", name, reason);
  }
  return text;
}

std::string ToJson(const DatasetReport& report) {
  json sizes = json::array(), skipped = json::array();
  for (const auto& [size, frames] : report.sizes) {
    sizes.push_back({{"width", size.first}, {"height", size.second}, {"frames", frames}});
  }
  for (const auto& [name, reason] : report.skipped) {
    skipped.push_back({{"name", name}, {"reason", reason}});
  }
  const json object = {
      {"videos", report.videos},
      {"frames", report.frames},
      {"frames_per_video", SpreadJson(report.lengths)},
      {"sizes", sizes},
      {"labelled_frames", report.labelled_frames},
      {"objects_per_video", SpreadJson(report.objects)},
      {"min_label", report.min_label},
      {"max_label", report.max_label},
      {"background_share", Share(report.background_pixels, report.labelled_pixels)},
      {"overlap_share", Share(report.overlap_pixels, report.labelled_pixels)},
      {"skipped", skipped},
  };
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace slotmatch
