#include "trainer/data/tar_shards.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "trainer/data/npy.h"
#include "trainer/data/tar_file.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigestBytes = size_t{1} << 20;
constexpr int64_t kMaxFrameBytes = int64_t{1} << 30;

struct Sample {
  std::string name, shard;
  std::optional<TarMember> frames, labels;
  absl::Status problem;
};

// An array of a shard, read one frame after the other.
class ArrayReader {
 public:
  static absl::StatusOr<ArrayReader> Open(const std::string& shard, const TarMember& member,
                                          size_t dimensions) {
    ArrayReader reader;
    reader.name_ = absl::StrCat(shard, ":", member.name);
    SM_ASSIGN_OR_RETURN(TarMemberReader peek, TarMemberReader::Open(shard, member));
    std::string beginning(std::min<size_t>(kMaxNpyHeaderBytes, member.size), '\0');
    SM_RETURN_IF_ERROR(peek.Read(Bytes(&beginning)));
    absl::StatusOr<NpyHeader> header = ParseNpyHeader(beginning);
    if (!header.ok()) return Annotate(header.status(), reader.name_);
    reader.shape_ = header->shape;
    int64_t bytes = static_cast<int64_t>(header->bytes);
    int64_t elements = 1;
    for (const int64_t size : reader.shape_) elements *= size;
    if (reader.shape_.size() != dimensions || bytes + elements != member.size) {
      return absl::DataLossError(absl::StrCat(
          reader.name_, " has shape (", absl::StrJoin(reader.shape_, ", "), ") and ", member.size,
          " bytes; that is not ", dimensions, " dimensions of one byte each"));
    }
    SM_ASSIGN_OR_RETURN(TarMemberReader data, TarMemberReader::Open(shard, member));
    beginning.resize(header->bytes);
    SM_RETURN_IF_ERROR(data.Read(Bytes(&beginning)));
    reader.data_.emplace(std::move(data));
    return reader;
  }

  const std::vector<int64_t>& shape() const { return shape_; }
  const std::string& name() const { return name_; }

  // The next `count` bytes.
  absl::StatusOr<std::vector<uint8_t>> Next(int64_t count) {
    if (count > kMaxFrameBytes) return absl::DataLossError(name_ + " has frames of over 1 GiB");
    std::vector<uint8_t> bytes(static_cast<size_t>(count));
    SM_RETURN_IF_ERROR(data_->Read(absl::MakeSpan(bytes)));
    return bytes;
  }

 private:
  static absl::Span<uint8_t> Bytes(std::string* text) {
    return absl::MakeSpan(reinterpret_cast<uint8_t*>(text->data()), text->size());
  }
  std::string name_;
  std::vector<int64_t> shape_;
  std::optional<TarMemberReader> data_;
};

// Where an array of labels has its sizes.
struct LabelAxes {
  int frames, height, width, objects;  // -1: the array has none
};
LabelAxes AxesOf(ShardLabels labels) {
  return labels == ShardLabels::kInstancesFirst ? LabelAxes{-1, 1, 2, 0} : LabelAxes{0, 1, 2, 3};
}

void AddToMap(uint8_t id, bool there, uint8_t* label) {
  if (there) *label = *label == 0 ? id : kOverlapLabel;
}

// One frame's ground truth, from the array's next bytes.
absl::StatusOr<LabelMap> NextLabels(const ShardFormat& format, int width, int height,
                                    ArrayReader* array) {
  const LabelAxes axes = AxesOf(format.labels);
  const int64_t objects = array->shape()[axes.objects];
  const size_t pixels = static_cast<size_t>(width) * height;
  SM_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes,
                      array->Next(objects * static_cast<int64_t>(pixels)));
  LabelMap map{width, height, {}};
  if (format.labels == ShardLabels::kOneMap) {
    map.labels = std::move(bytes);
    for (uint8_t& label : map.labels) {
      if (label != kOverlapLabel) continue;
      if (!format.void_labels) {
        return absl::DataLossError(array->name() + " holds object 255; at most 254 are supported");
      }
      label = 0;
    }
    return map;
  }
  map.labels.resize(pixels);
  for (size_t i = 0; i < pixels; ++i) {
    for (int64_t k = 0; k < objects; ++k) {
      const size_t at =
          format.labels == ShardLabels::kInstancesLast ? i * objects + k : k * pixels + i;
      AddToMap(static_cast<uint8_t>(k + 1), bytes[at] != 0, &map.labels[i]);
    }
  }
  return map;
}

class TarShardVideos : public VideoDataset {
 public:
  TarShardVideos(std::vector<Sample> samples, const ShardFormat& format)
      : samples_(std::move(samples)), format_(format) {}

  int64_t num_videos() const override { return static_cast<int64_t>(samples_.size()); }
  std::string video_name(int64_t video) const override { return samples_[video].name; }
  bool has_labels() const override {
    return std::any_of(samples_.begin(), samples_.end(),
                       [](const Sample& sample) { return sample.labels.has_value(); });
  }
  ScoringRules scoring_rules() const override { return format_.rules; }

  absl::Status ForEachFrame(int64_t video, bool with_labels, const Visitor& visit) const override {
    const Sample& sample = samples_[video];
    SM_RETURN_IF_ERROR(sample.problem);
    const bool still = absl::string_view(format_.frames) == "image";
    SM_ASSIGN_OR_RETURN(ArrayReader frames,
                        ArrayReader::Open(sample.shard, *sample.frames, still ? 3 : 4));
    const std::vector<int64_t>& shape = frames.shape();
    const int64_t count = still ? 1 : shape[0];
    const int64_t height = shape[still ? 0 : 1], width = shape[still ? 1 : 2];
    const ImageLimits limits;
    if (shape.back() != 3 || count < 1 || height < 1 || width < 1 || height > limits.max_side_px ||
        width > limits.max_side_px) {
      return absl::DataLossError(absl::StrCat(frames.name(), " has shape (",
                                              absl::StrJoin(shape, ", "), "): no RGB frames"));
    }
    std::optional<ArrayReader> labels;
    if (with_labels && sample.labels.has_value()) {
      SM_ASSIGN_OR_RETURN(labels, OpenLabels(sample, count, height, width));
    }
    for (int64_t i = 0; i < count; ++i) {
      DatasetFrame frame;
      frame.index = i;
      frame.image.width = static_cast<int>(width);
      frame.image.height = static_cast<int>(height);
      SM_ASSIGN_OR_RETURN(frame.image.rgb, frames.Next(height * width * 3));
      if (labels.has_value()) {
        SM_ASSIGN_OR_RETURN(frame.labels,
                            NextLabels(format_, frame.image.width, frame.image.height, &*labels));
      }
      SM_RETURN_IF_ERROR(visit(std::move(frame)));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ContentKey(int64_t video) const override {
    const Sample& sample = samples_[video];
    SM_RETURN_IF_ERROR(sample.problem);
    SM_ASSIGN_OR_RETURN(TarMemberReader reader,
                        TarMemberReader::Open(sample.shard, *sample.frames));
    std::string digests, piece;
    for (int64_t left = sample.frames->size; left > 0; left -= piece.size()) {
      piece.resize(std::min<int64_t>(left, kDigestBytes));
      SM_RETURN_IF_ERROR(
          reader.Read(absl::MakeSpan(reinterpret_cast<uint8_t*>(piece.data()), piece.size())));
      digests += Sha256Hex(piece);
    }
    return Sha256Hex(digests);
  }

 private:
  absl::StatusOr<ArrayReader> OpenLabels(const Sample& sample, int64_t count, int64_t height,
                                         int64_t width) const {
    const LabelAxes axes = AxesOf(format_.labels);
    SM_ASSIGN_OR_RETURN(ArrayReader labels,
                        ArrayReader::Open(sample.shard, *sample.labels, axes.frames < 0 ? 3 : 4));
    const std::vector<int64_t>& shape = labels.shape();
    const bool fits = (axes.frames < 0 || shape[axes.frames] == count) &&
                      shape[axes.height] == height && shape[axes.width] == width;
    const int64_t objects = shape[axes.objects];
    if (!fits || (format_.labels == ShardLabels::kOneMap && objects != 1)) {
      return absl::DataLossError(absl::StrCat(labels.name(), " has shape (",
                                              absl::StrJoin(shape, ", "), "), which does not fit ",
                                              count, " frames of ", width, "x", height));
    }
    if (objects >= kOverlapLabel) {
      return absl::DataLossError(absl::StrCat(labels.name(), " has ", objects, " objects; at most ",
                                              kOverlapLabel - 1, " are supported"));
    }
    return labels;
  }

  std::vector<Sample> samples_;
  ShardFormat format_;
};

// "0001.video.npy": key "0001", property "video.npy". Dots of folders do not count.
std::pair<std::string, std::string> KeyAndProperty(const std::string& name) {
  const size_t file = name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1;
  const size_t dot = name.find('.', file);
  if (dot == std::string::npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

// A shard's samples: neighbours of one key.
absl::Status AddSamples(const std::string& shard, const ShardFormat& format,
                        std::vector<Sample>* samples) {
  SM_ASSIGN_OR_RETURN(TarListing listing, ListTar(shard));
  const std::string stem = fs::path(shard).stem().string();
  const size_t first = samples->size();
  std::string last_key;
  for (TarMember& member : listing.members) {
    const auto [key, property] = KeyAndProperty(member.name);
    if (samples->size() == first || key != last_key) {
      samples->push_back({absl::StrCat(stem, "/", key), shard, {}, {}, {}});
      last_key = key;
    }
    if (absl::StartsWith(property, format.frames))
      samples->back().frames = std::move(member);
    else if (absl::StartsWith(property, "segmentations"))
      samples->back().labels = std::move(member);
  }
  for (size_t i = first; i < samples->size(); ++i) {
    Sample& sample = (*samples)[i];
    if (!sample.frames.has_value()) {
      sample.problem = absl::DataLossError(
          absl::StrCat(shard, ": sample has no member ", format.frames, ".npy"));
    }
  }
  if (listing.problem.ok()) return absl::OkStatus();
  // Whatever the damage took: the sample it began in may be complete or not, one more is counted.
  samples->push_back({stem + "/rest", shard, {}, {}, listing.problem});
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> FilesOfSplit(const config::DatasetConfig& config,
                                      const std::string& rest) {
  std::vector<std::string> marks = {absl::StrCat("-", config.split(), rest)};
  if (config.split() == "val") marks.push_back(absl::StrCat("-validation", rest));
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config.path(), error)) {
    const std::string name = entry.path().filename().string();
    if (std::any_of(marks.begin(), marks.end(),
                    [&](const std::string& mark) { return absl::StrContains(name, mark); })) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

namespace {
std::vector<std::string> TarsOfSplit(const config::DatasetConfig& config) {
  std::vector<std::string> files = FilesOfSplit(config, "-");
  std::erase_if(files, [](const std::string& file) { return !absl::EndsWith(file, ".tar"); });
  return files;
}
}  // namespace

bool HasTarShards(const config::DatasetConfig& config) { return !TarsOfSplit(config).empty(); }

absl::StatusOr<std::unique_ptr<VideoDataset>> OpenTarShards(const config::DatasetConfig& config,
                                                            const ShardFormat& format) {
  std::vector<Sample> samples;
  for (const std::string& shard : TarsOfSplit(config)) {
    SM_RETURN_IF_ERROR(AddSamples(shard, format, &samples));
  }
  if (samples.empty()) {
    return absl::DataLossError("the shards of " + config.path() + " hold no sample");
  }
  return std::make_unique<TarShardVideos>(std::move(samples), format);
}

}  // namespace slotmatch
