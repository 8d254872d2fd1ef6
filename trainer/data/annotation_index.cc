#include "trainer/data/annotation_index.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kMaxDepth = 16;                       // real files have 6
constexpr int64_t kMaxAnnotationBytes = 256 << 20;  // of one object, parsed as a whole
constexpr size_t kBufferBytes = size_t{1} << 18;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// The bytes of a file one after the other; knows how many were taken.
class ByteStream {
 public:
  explicit ByteStream(std::FILE* file) : file_(file) { Fill(); }
  bool AtEnd() const { return at_ == size_; }
  char Peek() const { return buffer_[at_]; }
  void Skip() {
    if (++at_ == size_) Fill();
  }
  int64_t position() const { return passed_ + static_cast<int64_t>(at_); }

 private:
  void Fill() {
    passed_ += static_cast<int64_t>(size_);
    at_ = 0;
    size_ = std::fread(buffer_.data(), 1, buffer_.size(), file_);
  }

  std::FILE* file_;  // borrowed
  std::vector<char> buffer_ = std::vector<char>(kBufferBytes);
  size_t at_ = 0, size_ = 0;
  int64_t passed_ = 0;
};

// The form in which nlohmann's parser takes a stream; null is the end.
struct ByteIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  ByteStream* stream = nullptr;
  char operator*() const { return stream->Peek(); }
  ByteIterator& operator++() {
    stream->Skip();
    return *this;
  }
  bool AtEnd() const { return stream == nullptr || stream->AtEnd(); }
  bool operator==(const ByteIterator& other) const { return AtEnd() == other.AtEnd(); }
  bool operator!=(const ByteIterator& other) const { return !(*this == other); }
};

bool StaysInside(const std::string& name) {
  const fs::path path(name);
  return !name.empty() && path.is_relative() &&
         std::find(path.begin(), path.end(), fs::path("..")) == path.end();
}

}  // namespace

// Hears the parser's events. Items and annotations are the objects at depth 3: root, list, object.
class AnnotationIndex::Reader : public nlohmann::json_sax<json> {
 public:
  Reader(const AnnotationKeys& keys, const ByteStream& stream, AnnotationIndex* index)
      : keys_(keys), stream_(stream), index_(*index) {}

  bool null() override { return true; }
  bool boolean(bool value) override { return Number(value ? 1 : 0); }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Number(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    const bool name = depth_ == kInObject && field_ == "file_name";
    const bool listed = depth_ == kInObject + 1 && field_ == "file_names";
    if (section_ != Section::kItems || (!name && !listed)) return true;
    if (!StaysInside(value)) {
      return Fail(absl::StrCat("file name '", value, "' leaves the dataset's folder"));
    }
    item_.files.push_back(value);
    return true;
  }

  bool key(string_t& name) override {
    if (depth_ == 1) {
      section_ = name == keys_.items     ? Section::kItems
                 : name == "annotations" ? Section::kAnnotations
                                         : Section::kOther;
      has_items_ |= section_ == Section::kItems;
    } else if (depth_ == kInObject) {
      field_ = name;
    }
    return true;
  }
  bool start_object(size_t) override {
    if (!Enter()) return false;
    if (depth_ == kInObject) {
      item_ = {};
      reference_ = -1;
      crowd_ = false;
      field_.clear();
      start_ = stream_.position() - 1;
    }
    return true;
  }
  bool end_object() override {
    const bool ends_entry = depth_ == kInObject;
    --depth_;
    if (!ends_entry) return true;
    if (section_ == Section::kItems) return AddItem();
    if (section_ == Section::kAnnotations) return AddAnnotation();
    return true;
  }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    return Fail(absl::StrCat("is no JSON from byte ", position, " on"));
  }

  // After the parser ended: sorts the annotations by item.
  absl::Status Finish() {
    if (!problem_.empty()) return absl::DataLossError(problem_);
    if (!has_items_) return absl::DataLossError(absl::StrCat("has no list \"", keys_.items, "\""));
    int64_t lost = 0;
    for (Place& place : index_.places_) {
      const auto found = item_of_id_.find(place.item);
      place.item = found == item_of_id_.end() ? -1 : found->second;
      lost += place.item < 0 ? 1 : 0;
    }
    std::erase_if(index_.places_, [](const Place& place) { return place.item < 0; });
    std::stable_sort(index_.places_.begin(), index_.places_.end(),
                     [](const Place& a, const Place& b) { return a.item < b.item; });
    index_.places_.shrink_to_fit();
    if (lost > 0) {
      SM_WARNING("annotations of no listed item dropped file={} count={}", index_.path_, lost);
    }
    return absl::OkStatus();
  }

 private:
  enum class Section { kOther, kItems, kAnnotations };
  static constexpr int kInObject = 3;

  bool Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }
  bool Enter() {
    if (++depth_ <= kMaxDepth) return true;
    return Fail(absl::StrCat("is nested deeper than ", kMaxDepth, " levels"));
  }
  bool Number(int64_t value) {
    if (depth_ != kInObject) return true;
    if (field_ == "id") item_.id = value;
    if (field_ == "width") item_.width = static_cast<int>(std::clamp<int64_t>(value, 0, INT32_MAX));
    if (field_ == "height") {
      item_.height = static_cast<int>(std::clamp<int64_t>(value, 0, INT32_MAX));
    }
    if (field_ == "iscrowd") crowd_ = value != 0;
    if (field_ == keys_.reference) reference_ = value;
    return true;
  }
  bool AddItem() {
    const auto number = static_cast<int64_t>(index_.items_.size());
    if (item_.id < 0) return Fail(absl::StrCat(keys_.items, "[", number, "] has no id"));
    if (item_.files.empty()) {
      return Fail(absl::StrCat(keys_.items, "[", number, "], id ", item_.id, ", names no file"));
    }
    if (!item_of_id_.emplace(item_.id, number).second) {
      return Fail(absl::StrCat("id ", item_.id, " occurs twice in ", keys_.items));
    }
    index_.items_.push_back(std::move(item_));
    return true;
  }
  bool AddAnnotation() {
    if (crowd_) return true;
    // The item's id; its index once all items are known.
    index_.places_.push_back({reference_, start_, stream_.position() - start_});
    return true;
  }

  AnnotationKeys keys_;
  const ByteStream& stream_;
  AnnotationIndex& index_;
  int depth_ = 0;
  Section section_ = Section::kOther;
  std::string field_;
  Item item_;
  int64_t reference_ = -1, start_ = 0;
  bool crowd_ = false, has_items_ = false;
  std::string problem_;
  std::unordered_map<int64_t, int64_t> item_of_id_;
};

absl::StatusOr<AnnotationIndex> AnnotationIndex::Open(const std::string& path,
                                                      const AnnotationKeys& keys) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return absl::NotFoundError("cannot open " + path);
  AnnotationIndex index;
  index.path_ = path;
  ByteStream stream(file.get());
  Reader reader(keys, stream, &index);
  json::sax_parse(ByteIterator{&stream}, ByteIterator{}, &reader);
  const absl::Status finished = reader.Finish();
  if (!finished.ok()) return absl::DataLossError(absl::StrCat(path, " ", finished.message()));
  return index;
}

absl::StatusOr<std::vector<json>> AnnotationIndex::Annotations(size_t item) const {
  const File file(std::fopen(path_.c_str(), "rb"));
  if (file == nullptr) return absl::NotFoundError("cannot open " + path_);
  const auto wanted = static_cast<int64_t>(item);
  auto place = std::lower_bound(places_.begin(), places_.end(), wanted,
                                [](const Place& p, int64_t value) { return p.item < value; });
  std::vector<json> annotations;
  for (; place != places_.end() && place->item == wanted; ++place) {
    if (place->length > kMaxAnnotationBytes) {
      return absl::DataLossError(absl::StrCat(path_, ": the annotation at byte ", place->offset,
                                              " has ", place->length, " bytes"));
    }
    std::string text(static_cast<size_t>(place->length), '\0');
    const bool read = std::fseek(file.get(), place->offset, SEEK_SET) == 0 &&
                      std::fread(text.data(), 1, text.size(), file.get()) == text.size();
    json parsed = read ? json::parse(text, nullptr, /*allow_exceptions=*/false) : json();
    if (!parsed.is_object()) {
      return absl::DataLossError(
          absl::StrCat(path_, " has changed since it was opened, byte ", place->offset));
    }
    annotations.push_back(std::move(parsed));
  }
  return annotations;
}

}  // namespace slotmatch
