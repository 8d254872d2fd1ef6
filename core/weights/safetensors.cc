#include "core/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own cap
constexpr int kMaxJsonDepth = 8;                   // header nesting is 3

// Parses the header and refuses duplicate keys, which the library would silently merge.
absl::StatusOr<json> ParseHeader(const char* text, size_t size) {
  std::vector<std::map<std::string, bool>> seen;
  std::string problem;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxJsonDepth) problem = "header nested too deeply";
    if (event == json::parse_event_t::object_start) seen.emplace_back();
    if (event == json::parse_event_t::object_end && !seen.empty()) seen.pop_back();
    if (event == json::parse_event_t::key && !seen.empty()) {
      const auto key = parsed.get<std::string>();
      if (!seen.back().emplace(key, true).second) problem = "duplicate key '" + key + "'";
    }
    return problem.empty();
  };
  json header = json::parse(text, text + size, check, /*allow_exceptions=*/false);
  if (!problem.empty()) return absl::DataLossError(problem);
  if (header.is_discarded() || !header.is_object()) {
    return absl::DataLossError("header is not a JSON object");
  }
  return header;
}

struct Range {
  uint64_t begin, end;
  std::string name;
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

absl::StatusOr<TensorView> ReadEntry(const json& entry, const uint8_t* data, uint64_t data_size,
                                     Range* range) {
  TensorView view;
  const auto dtype = entry.find("dtype");
  const auto offsets = entry.find("data_offsets");
  if (!entry.is_object() || dtype == entry.end() || !dtype->is_string()) {
    return absl::DataLossError("no dtype");
  }
  const DType* known = FindDType(dtype->get_ref<const std::string&>());
  if (known == nullptr) {
    return absl::DataLossError("dtype " + dtype->get<std::string>() + " is not supported");
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
  if (range->begin > range->end || range->end > data_size || range->end - range->begin != size) {
    return absl::DataLossError(absl::StrCat("data_offsets [", range->begin, ", ", range->end,
                                            "] do not fit ", size, " bytes in a data section of ",
                                            data_size));
  }
  view.bytes = absl::MakeSpan(data + range->begin, size);
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
          absl::StrCat("tensor '", range.name, "' begins at ", range.begin, ", ", position,
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

}  // namespace

bool IsSafetensors(absl::Span<const uint8_t> file) { return file.size() > 8 && file[8] == '{'; }

absl::Status ReadSafetensors(absl::Span<const uint8_t> file, ArchiveContents* contents) {
  const uint8_t* bytes = file.data();
  const size_t size = file.size();
  uint64_t header_size = 0;
  if (size < sizeof(header_size)) return absl::DataLossError("too short for a header length");
  std::memcpy(&header_size, bytes, sizeof(header_size));
  if (header_size > kMaxHeaderBytes || header_size > size - sizeof(header_size)) {
    return absl::DataLossError(
        absl::StrCat("header length ", header_size, " does not fit a file of ", size, " bytes"));
  }
  SM_ASSIGN_OR_RETURN(const json header,
                      ParseHeader(reinterpret_cast<const char*>(bytes) + 8, header_size));
  const uint8_t* data = bytes + 8 + header_size;
  const uint64_t data_size = size - 8 - header_size;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) return absl::DataLossError("metadata is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return absl::DataLossError("metadata holds more than strings");
        contents->metadata.emplace(key, value.get<std::string>());
      }
      continue;
    }
    Range range{0, 0, name};
    absl::StatusOr<TensorView> view = ReadEntry(entry, data, data_size, &range);
    if (!view.ok()) return Annotate(view.status(), "tensor '" + name + "'");
    ranges.push_back(range);
    contents->tensors.emplace(name, *std::move(view));
  }
  return CheckCover(std::move(ranges), data_size);
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
  if (!metadata.empty()) header["__metadata__"] = metadata;
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
