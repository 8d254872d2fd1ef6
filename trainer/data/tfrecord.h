#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slotmatch {

// A record's place in a TFRecord file.
struct RecordPlace {
  int64_t offset = 0;  // of its data
  int64_t length = 0;
};

struct RecordListing {
  std::vector<RecordPlace> records;
  absl::Status problem;  // kDataLoss: the file is damaged or cut short behind the last record
};

// Reads lengths and their checksums only. kNotFound: no such file.
absl::StatusOr<RecordListing> ListRecords(const std::string& path);

// One record, its checksum checked. kDataLoss: damaged, or larger than 1 GiB.
absl::StatusOr<std::string> ReadRecord(const std::string& path, const RecordPlace& place);

// `data` framed as a record: length, its checksum, data, its checksum.
std::string TfRecord(absl::string_view data);

// CRC-32C (Castagnoli) as TFRecord files store it: rotated right by 15 bits, plus 0xa282ead8.
uint32_t MaskedCrc32c(absl::string_view bytes);

}  // namespace slotmatch
