#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace slotmatch {

// The names that differ between annotation files of images and of videos.
struct AnnotationKeys {
  const char* items;      // "images", "videos"
  const char* reference;  // "image_id", "video_id"
};

// A COCO-style annotation file of any size. It is read once, as a stream; what stays in memory is
// the list of items and, of every annotation, its place in the file: 24 bytes each (at most three
// times that while reading). Annotations are read when they are asked for. Crowd annotations are
// dropped, as the reference does. Immutable and thread-safe after Open.
class AnnotationIndex {
 public:
  struct Item {
    int64_t id = -1;
    int width = 0, height = 0;       // 0: not stated
    std::vector<std::string> files;  // file_name, or file_names in order
  };

  // kNotFound: no such file. kDataLoss: no JSON, no list of items, an item without id or files, two
  // items of one id, a file name that leaves its folder.
  static absl::StatusOr<AnnotationIndex> Open(const std::string& path, const AnnotationKeys& keys);

  const std::string& path() const { return path_; }
  const std::vector<Item>& items() const { return items_; }  // in the file's order
  int64_t num_annotations() const { return static_cast<int64_t>(places_.size()); }

  // The annotations of items()[item], in the file's order. kDataLoss when the file has changed.
  absl::StatusOr<std::vector<nlohmann::json>> Annotations(size_t item) const;

 private:
  struct Place {
    int64_t item;  // index into items_
    int64_t offset, length;
  };
  class Reader;

  AnnotationIndex() = default;
  std::string path_;
  std::vector<Item> items_;
  std::vector<Place> places_;  // sorted by item
};

}  // namespace slotmatch
