#include "client/result_sink.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/overlay.h"
#include "client/slot_file.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/image/mask_codec.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// An ID counts as a tracked object when it covers this share of the picture in this share of the
// frames.
constexpr double kVisibleArea = 0.005;
constexpr double kVisibleFrames = 0.1;

// The label map at the size of the picture that was sent.
absl::StatusOr<LabelMap> MapOf(const v1::FrameResult& result, const cv::Size& picture) {
  const v1::Mask& mask = result.mask();
  if (int64_t{result.source_width()} != picture.width ||
      int64_t{result.source_height()} != picture.height) {
    return absl::DataLossError(absl::StrCat("the server answers about a picture of ",
                                            result.source_width(), "x", result.source_height(),
                                            ", not the ", picture.width, "x", picture.height,
                                            " that was sent"));
  }
  SM_ASSIGN_OR_RETURN(LabelMap map, DecodeIndexRle(mask.data(), static_cast<int>(mask.width()),
                                                   static_cast<int>(mask.height())));
  const int width = static_cast<int>(result.source_width());
  const int height = static_cast<int>(result.source_height());
  if (map.width == width && map.height == height) return map;
  LabelMap full{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height)};
  const cv::Mat small(map.height, map.width, CV_8UC1, map.labels.data());
  cv::Mat large(height, width, CV_8UC1, full.labels.data());
  cv::resize(small, large, large.size(), 0, 0, cv::INTER_NEAREST);
  return full;
}

json VectorOf(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

json SlotLine(int64_t frame, const v1::FrameResult& result) {
  json line = {{"frame", frame}, {"frame_id", result.frame_id()}, {"slots", json::array()}};
  for (const v1::Slot& slot : result.slots()) {
    json entry = {{"id", slot.temporal_id()},        {"index", slot.index()},
                  {"area_ratio", slot.area_ratio()}, {"confidence", slot.confidence()},
                  {"entropy", slot.entropy()},       {"vector", VectorOf(slot.vector())}};
    if (slot.has_box()) {
      entry["box"] = {slot.box().left(), slot.box().top(), slot.box().width(), slot.box().height()};
      entry["centroid"] = {slot.centroid().x(), slot.centroid().y()};
    }
    line["slots"].push_back(std::move(entry));
  }
  const v1::Timings& timings = result.timings();
  line["timings_ms"] = {{"decode", timings.decode_ms()},
                        {"queue", timings.queue_ms()},
                        {"compute", timings.compute_ms()},
                        {"mask", timings.mask_ms()},
                        {"total", timings.total_ms()}};
  return line;
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

// What one ID did over the whole stream.
struct Track {
  int64_t frames = 0;  // in which it is visible
  int64_t first = -1, last = -1;
  double area = 0;
};

class FileSink : public ResultSink {
 public:
  FileSink(const SinkOptions& options, const v1::SessionOpened& opened)
      : options_(options), opened_(opened) {}

  absl::Status CreateFiles() {
    if (options_.folder.empty()) return absl::OkStatus();
    std::error_code error;
    fs::create_directories(fs::path(options_.folder) / "masks", error);
    // Masks of a longer earlier run would look like this run's.
    if (!error) {
      for (const auto& entry : fs::directory_iterator(fs::path(options_.folder) / "masks")) {
        if (entry.path().extension() == ".png") fs::remove(entry.path(), error);
      }
    }
    lines_.open(fs::path(options_.folder) / "slots.jsonl");
    if (!lines_) return absl::AlreadyExistsError("cannot write in folder " + options_.folder);
    SM_ASSIGN_OR_RETURN(arrays_,
                        SlotFile::Create(options_.folder + "/slots.safetensors", opened_.model()));
    return absl::OkStatus();
  }

  absl::Status Add(const cv::Mat& bgr, const v1::SegmentResponse& response) override {
    const int64_t frame = next_++;
    width_ = bgr.cols;
    height_ = bgr.rows;
    if (response.has_error()) {
      ++failed_;
      if (first_error_.empty()) first_error_ = response.error().message();
      WriteLine({{"frame", frame},
                 {"frame_id", response.error().frame_id()},
                 {"error",
                  {{"code", response.error().code()}, {"message", response.error().message()}}}});
      return options_.masks ? WriteOverlay(bgr) : absl::OkStatus();
    }
    if (response.has_dropped()) {
      ++dropped_;
      WriteLine({{"frame", frame}, {"frame_id", response.dropped().frame_id()}, {"dropped", true}});
      return options_.masks ? WriteOverlay(bgr) : absl::OkStatus();
    }
    const v1::FrameResult& result = response.result();
    latencies_.push_back(result.timings().total_ms());
    Follow(frame, result);
    WriteLine(SlotLine(frame, result));
    if (arrays_ != nullptr) SM_RETURN_IF_ERROR(arrays_->Add(result));
    if (!options_.masks || options_.folder.empty()) return absl::OkStatus();
    SM_ASSIGN_OR_RETURN(const LabelMap map, MapOf(result, bgr.size()));
    SM_RETURN_IF_ERROR(WriteMask(frame, map));
    return WriteOverlay(DrawOverlay(bgr, map, result));
  }

  absl::StatusOr<json> Close(const std::string& source, double seconds,
                             const absl::Status& status) override {
    video_.release();
    json summary = Summary(source, seconds, status);
    if (options_.folder.empty()) return summary;
    lines_.close();
    if (!lines_) return absl::AbortedError("cannot write slots.jsonl: is the disk full?");
    SM_RETURN_IF_ERROR(arrays_->Close());
    SM_RETURN_IF_ERROR(
        WriteFileAtomically(options_.folder + "/summary.json", summary.dump(2) + "\n"));
    return summary;
  }

 private:
  void WriteLine(const json& line) {
    if (lines_.is_open()) lines_ << line.dump() << std::endl;  // a reader may follow the file
  }

  absl::Status WriteMask(int64_t frame, const LabelMap& map) {
    const std::string path = absl::StrFormat("%s/masks/%05d.png", options_.folder, frame);
    std::ofstream file(path, std::ios::binary);
    file << EncodePalettePng(map);
    file.close();
    return file ? absl::OkStatus() : absl::AbortedError("cannot write " + path);
  }

  // H.264 where the codec is installed, which every player and browser shows, else MPEG-4.
  absl::Status OpenVideo() {
    const std::string path = options_.folder + "/overlay.mp4";
    const cv::Size even(width_ / 2 * 2, height_ / 2 * 2);  // H.264 takes even sizes only
    for (const char* codec : {"avc1", "mp4v"}) {
      const int fourcc = cv::VideoWriter::fourcc(codec[0], codec[1], codec[2], codec[3]);
      if (video_.open(path, cv::CAP_FFMPEG, fourcc, options_.frames_per_second, even)) {
        video_size_ = even;
        return absl::OkStatus();
      }
    }
    return absl::AlreadyExistsError("cannot write " + path);
  }

  absl::Status WriteOverlay(const cv::Mat& picture) {
    if (options_.folder.empty()) return absl::OkStatus();
    if (!video_.isOpened()) SM_RETURN_IF_ERROR(OpenVideo());
    cv::Mat fitting = picture;
    if (picture.cols < video_size_.width || picture.rows < video_size_.height) {
      cv::resize(picture, fitting, video_size_);  // a folder may hold pictures of several sizes
    }
    video_.write(fitting(cv::Rect(cv::Point(0, 0), video_size_)).clone());
    return absl::OkStatus();
  }

  void Follow(int64_t frame, const v1::FrameResult& result) {
    for (const v1::Slot& slot : result.slots()) {
      if (slot.area_ratio() < kVisibleArea) continue;
      Track& track = tracks_[slot.temporal_id()];
      if (track.frames == 0) track.first = frame;
      track.last = frame;
      ++track.frames;
      track.area += slot.area_ratio();
    }
  }

  json Objects() const {
    json objects = json::array();
    const auto frames = static_cast<double>(latencies_.size());
    for (const auto& [id, track] : tracks_) {
      if (static_cast<double>(track.frames) < kVisibleFrames * frames) continue;
      const cv::Vec3b color = OverlayColor(id);
      objects.push_back(
          {{"id", id},
           {"frames", track.frames},
           {"first_frame", track.first},
           {"last_frame", track.last},
           {"mean_area_ratio", track.area / static_cast<double>(track.frames)},
           {"color", absl::StrFormat("#%02x%02x%02x", color[2], color[1], color[0])}});
    }
    return objects;
  }

  json Summary(const std::string& source, double seconds, const absl::Status& status) const {
    const v1::ModelInfo& model = opened_.model();
    const json objects = Objects();
    const auto frames = static_cast<double>(latencies_.size());
    json summary = {{"source", source},
                    {"model",
                     {{"name", model.name()},
                      {"version", model.version()},
                      {"role", model.role()},
                      {"digest", model.digest()}}},
                    {"session_id", opened_.session_id()},
                    {"frames", latencies_.size()},
                    {"frames_failed", failed_},
                    {"frames_dropped", dropped_},
                    {"width", width_},
                    {"height", height_},
                    {"seconds", seconds},
                    {"frames_per_second", seconds > 0 ? frames / seconds : 0},
                    {"server_latency_ms",
                     {{"p50", Quantile(latencies_, 0.5)}, {"p99", Quantile(latencies_, 0.99)}}},
                    {"objects_tracked", objects.size()},
                    {"objects_tracked_means",
                     "IDs that cover at least 0.5 % of the picture in at least 10 % of "
                     "the frames; background regions are objects too"},
                    {"objects", objects},
                    {"status", absl::StatusCodeToString(status.code())}};
    if (!status.ok()) summary["error"] = std::string(status.message());
    if (!first_error_.empty()) summary["first_frame_error"] = first_error_;
    return summary;
  }

  const SinkOptions options_;
  const v1::SessionOpened opened_;
  std::ofstream lines_;
  std::unique_ptr<SlotFile> arrays_;
  cv::VideoWriter video_;
  cv::Size video_size_;
  int64_t next_ = 0, failed_ = 0, dropped_ = 0;
  int width_ = 0, height_ = 0;
  std::vector<double> latencies_;
  std::map<uint64_t, Track> tracks_;
  std::string first_error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ResultSink>> ResultSink::Open(const SinkOptions& options,
                                                             const v1::SessionOpened& opened) {
  auto sink = std::make_unique<FileSink>(options, opened);
  SM_RETURN_IF_ERROR(sink->CreateFiles());
  return sink;
}

}  // namespace slotmatch
