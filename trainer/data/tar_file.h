#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

struct archive;

namespace slotmatch {

// A file inside a tar.
struct TarMember {
  std::string name;
  int64_t header_offset = 0;  // of its first header block, extensions included
  int64_t size = 0;
};

struct TarListing {
  std::vector<TarMember> members;  // the files, in order
  absl::Status problem;            // kDataLoss: the tar is damaged or cut short behind the last one
};

// Reads the headers only. kNotFound: no such file.
absl::StatusOr<TarListing> ListTar(const std::string& path);

// The bytes of one member from its beginning on, without anything before it being read.
class TarMemberReader {
 public:
  static absl::StatusOr<TarMemberReader> Open(const std::string& path, const TarMember& member);

  // Fills `out`, or kDataLoss when the member ends before, naming it.
  absl::Status Read(absl::Span<uint8_t> out);

 private:
  struct Close {
    void operator()(archive* tar) const;
  };
  std::string name_;
  std::unique_ptr<archive, Close> tar_;
};

}  // namespace slotmatch
