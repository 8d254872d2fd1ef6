#include "core/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/weights/shown_name.h"

namespace slotmatch {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own cap
constexpr size_t kMaxMembers = 8;                  // an entry has 3
constexpr char kMetadataKey[] = "__metadata__";

struct Range {
  uint64_t begin, end;
  absl::string_view name;  // of the map's key
};

absl::Status ReadShape(const json& entry, TensorView* view) {
  const auto shape = entry.find("shape");
  if (shape == entry.end() || !shape->is_array() || shape->size() > kMaxRank) {
    return absl::DataLossError("shape is missing or not a short list");
  }
  for (const json& side : *shape) {
    if (!side.is_number_unsigned() || side.get<uint64_t>() > (uint64_t{1} << 48)) {
      return absl::DataLossError("shape holds something else than sizes");
    }
    view->shape.push_back(side.get<int64_t>());
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorView> ReadEntry(const json& entry, absl::Span<const uint8_t> data,
                                     Range* range) {
  TensorView view;
  const auto dtype = entry.find("dtype");
  const auto offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string()) {
    return absl::DataLossError("no dtype");
  }
  const DType* known = FindDType(dtype->get_ref<const std::string&>());
  if (known == nullptr) {
    return absl::DataLossError("dtype " + ShownName(dtype->get_ref<const std::string&>()) +
                               " is not supported");
  }
  view.dtype = *known;
  SM_RETURN_IF_ERROR(ReadShape(entry, &view));
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    return absl::DataLossError("data_offsets are not two positions");
  }
  range->begin = (*offsets)[0].get<uint64_t>();
  range->end = (*offsets)[1].get<uint64_t>();
  SM_ASSIGN_OR_RETURN(const uint64_t size, CheckedByteSize(view.dtype, view.shape));
  if (range->begin > range->end || range->end > data.size() || range->end - range->begin != size) {
    return absl::DataLossError(absl::StrCat("data_offsets [", range->begin, ", ", range->end,
                                            "] do not fit ", size, " bytes in a data section of ",
                                            data.size()));
  }
  view.bytes = data.subspan(range->begin, size);
  return view;
}

absl::Status CheckCover(std::vector<Range> ranges, uint64_t data_size) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Range& range : ranges) {
    if (range.begin != position) {
      return absl::DataLossError(
          absl::StrCat("tensor ", ShownName(range.name), " begins at ", range.begin, ", ", position,
                       " was expected: ", range.begin < position ? "overlap" : "gap"));
    }
    position = range.end;
  }
  if (position != data_size) {
    return absl::DataLossError(
        absl::StrCat(data_size - position, " bytes after the last tensor belong to none"));
  }
  return absl::OkStatus();
}

// Takes the header apart while it is parsed, so that no more than the entry at hand is kept as
// JSON, and refuses duplicate keys, which the library would silently merge.
class HeaderReader {
 public:
  HeaderReader(absl::Span<const uint8_t> data, ArchiveContents* contents)
      : data_(data), contents_(contents) {}

  absl::Status Read(absl::string_view text) {
    const json::parser_callback_t take = [this](int depth, json::parse_event_t event,
                                                json& parsed) {
      bool keep = true;
      if (problem_.ok()) problem_ = Take(depth, event, parsed, &keep);
      return problem_.ok() && keep;
    };
    const json header = json::parse(text.begin(), text.end(), take, /*allow_exceptions=*/false);
    SM_RETURN_IF_ERROR(problem_);
    if (header.is_discarded() || !header.is_object()) {
      return absl::DataLossError("header is not a JSON object");
    }
    return CheckCover(std::move(ranges_), data_.size());
  }

 private:
  // Depths: 0 the header, 1 an entry, 2 its members, 3 their items.
  absl::Status Take(int depth, json::parse_event_t event, const json& parsed, bool* keep) {
    switch (event) {
      case json::parse_event_t::key:
        *keep = depth == 1 || !in_metadata_;
        return TakeKey(depth, parsed.get_ref<const std::string&>());
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        list_size_ = 0;
        if (depth == 0 || (depth == 1 && event == json::parse_event_t::object_start)) break;
        if (depth == 2 && event == json::parse_event_t::array_start && !in_metadata_) break;
        return Wrong("is no list, or nested too deeply");
      case json::parse_event_t::value:
        if (depth == 1) return Wrong("is not an object");
        if (depth == 3 && ++list_size_ > kMaxRank) return Wrong("is not a short list");
        if (depth == 2 && in_metadata_) return TakeMetadata(parsed);
        break;
      case json::parse_event_t::object_end:
        if (depth != 1 || in_metadata_) break;
        *keep = false;
        return TakeEntry(parsed);
      case json::parse_event_t::array_end:
        break;
    }
    return absl::OkStatus();
  }

  std::string Where() const {
    return in_metadata_ ? "metadata" : absl::StrCat("tensor ", ShownName(name_));
  }

  absl::Status Wrong(absl::string_view why) const {
    return absl::DataLossError(absl::StrCat(Where(), ": ", ShownName(key_), " ", why));
  }

  absl::Status TakeKey(int depth, const std::string& key) {
    key_ = key;
    bool is_new = true;
    if (depth == 1) {
      name_ = key;
      keys_.clear();
      in_metadata_ = key == kMetadataKey;
      is_new = in_metadata_ ? !had_metadata_ : contents_->tensors.count(key) == 0;
      had_metadata_ = had_metadata_ || in_metadata_;
    } else if (!in_metadata_) {
      is_new = keys_.insert(key).second;
      if (keys_.size() > kMaxMembers) return Wrong("is one member too many");
    }
    return is_new ? absl::OkStatus() : absl::DataLossError("duplicate key " + ShownName(key));
  }

  absl::Status TakeMetadata(const json& value) {
    if (!value.is_string()) return absl::DataLossError("metadata holds more than strings");
    if (contents_->metadata.emplace(key_, value.get<std::string>()).second) return absl::OkStatus();
    return absl::DataLossError("duplicate key " + ShownName(key_));
  }

  absl::Status TakeEntry(const json& entry) {
    Range range{0, 0, {}};
    absl::StatusOr<TensorView> view = ReadEntry(entry, data_, &range);
    if (!view.ok()) return Annotate(view.status(), Where());
    range.name = contents_->tensors.emplace(name_, *std::move(view)).first->first;
    ranges_.push_back(range);
    return absl::OkStatus();
  }

  const absl::Span<const uint8_t> data_;
  ArchiveContents* const contents_;
  absl::Status problem_;
  std::string name_;            // of the entry at hand
  std::string key_;             // the newest
  std::set<std::string> keys_;  // of the entry at hand
  bool in_metadata_ = false;
  bool had_metadata_ = false;
  size_t list_size_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace

bool IsSafetensors(absl::Span<const uint8_t> file) { return file.size() > 8 && file[8] == '{'; }

absl::Status ReadSafetensors(absl::Span<const uint8_t> file, ArchiveContents* contents) {
  uint64_t header_size = 0;
  if (file.size() < sizeof(header_size))
    return absl::DataLossError("too short for a header length");
  std::memcpy(&header_size, file.data(), sizeof(header_size));
  if (header_size > kMaxHeaderBytes || header_size > file.size() - sizeof(header_size)) {
    return absl::DataLossError(absl::StrCat("header length ", header_size,
                                            " does not fit a file of ", file.size(), " bytes"));
  }
  const absl::string_view header(reinterpret_cast<const char*>(file.data()) + sizeof(header_size),
                                 header_size);
  return HeaderReader(file.subspan(sizeof(header_size) + header_size), contents).Read(header);
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Open(
    const std::string& path) {
  SM_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::Open(path));
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
  const absl::Status read = ReadSafetensors(mapped->bytes(), &file->contents_);
  if (!read.ok()) return Annotate(read, path + " is not a valid safetensors file");
  file->file_ = std::move(mapped);
  return std::shared_ptr<const SafetensorsFile>(std::move(file));
}

const TensorView* SafetensorsFile::Find(const std::string& name) const {
  const auto found = contents_.tensors.find(name);
  return found == contents_.tensors.end() ? nullptr : &found->second;
}

absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t position = 0;
  for (const auto& [name, view] : tensors) {
    if (view.bytes.size() != ByteSize(view.dtype) * static_cast<size_t>(view.num_elements())) {
      return absl::InternalError("tensor '" + name + "' has bytes that do not fit its shape");
    }
    header[name] = {{"dtype", DTypeName(view.dtype)},
                    {"shape", view.shape},
                    {"data_offsets", {position, position + view.bytes.size()}}};
    position += view.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts at a multiple of 8
  const uint64_t header_size = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
  bytes.reserve(8 + text.size() + position);
  bytes += text;
  for (const auto& [name, view] : tensors) {
    bytes.append(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  }
  return WriteFileAtomically(path, bytes);
}

}  // namespace slotmatch
