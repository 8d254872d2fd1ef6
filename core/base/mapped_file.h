#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slotmatch {

// A file mapped for reading; its pages are the only memory it takes. The file must not shrink while
// it is mapped: replace it by renaming another over it. Immutable, thread-safe.
class MappedFile {
 public:
  // kNotFound: it cannot be opened. kDataLoss: not a regular file. kAborted: it cannot be mapped.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::Span<const uint8_t> bytes() const { return bytes_; }

 private:
  MappedFile() = default;
  absl::Span<const uint8_t> bytes_;
};

}  // namespace slotmatch
