#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slotmatch {

// A field of a protocol buffer message that is read without its schema.
struct WireField {
  int number = 0;
  std::optional<uint64_t> varint;
  absl::Span<const uint8_t> bytes;  // of a length-delimited field
};

// The fields of one message, one after the other.
class WireMessage {
 public:
  explicit WireMessage(absl::Span<const uint8_t> bytes)
      : bytes_(bytes), stream_(bytes.data(), static_cast<int>(bytes.size())) {}

  bool done() const { return stream_.CurrentPosition() == static_cast<int>(bytes_.size()); }

  absl::StatusOr<WireField> Next() {
    enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
    const uint32_t tag = stream_.ReadTag();
    WireField field;
    field.number = static_cast<int>(tag >> 3);
    bool ok = field.number > 0;
    uint64_t varint = 0;
    uint32_t size = 0;
    switch (tag & 7) {
      case kVarint:
        ok = ok && stream_.ReadVarint64(&varint);
        field.varint = varint;
        break;
      case kFixed64:
        ok = ok && stream_.Skip(8);
        break;
      case kFixed32:
        ok = ok && stream_.Skip(4);
        break;
      case kBytes: {
        ok = ok && stream_.ReadVarint32(&size);
        const auto begin = static_cast<size_t>(stream_.CurrentPosition());
        ok = ok && size <= bytes_.size() - begin && stream_.Skip(static_cast<int>(size));
        if (ok) field.bytes = bytes_.subspan(begin, size);
        break;
      }
      default:
        ok = false;
    }
    if (ok) return field;
    return absl::DataLossError("a message is damaged or truncated");
  }

 private:
  const absl::Span<const uint8_t> bytes_;
  google::protobuf::io::CodedInputStream stream_;
};

}  // namespace slotmatch
