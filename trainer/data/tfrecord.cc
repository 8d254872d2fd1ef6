#include "trainer/data/tfrecord.h"

#include <array>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int64_t kRecordHeaderBytes = 12, kFooterBytes = 4;
constexpr int64_t kMaxRecordBytes = int64_t{1} << 30;

std::array<uint32_t, 256> Crc32cTable() {
  constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected
  std::array<uint32_t, 256> table;
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) != 0 ? value >> 1 ^ kPolynomial : value >> 1;
    table[i] = value;
  }
  return table;
}

uint64_t LittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  }
  return value;
}

void AppendLittleEndian(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

absl::StatusOr<std::string> ReadAt(std::ifstream& file, int64_t offset, int64_t count,
                                   const std::string& path) {
  std::string bytes(static_cast<size_t>(count), '\0');
  if (!file.seekg(offset) || !file.read(bytes.data(), count)) {
    return absl::DataLossError(absl::StrCat(path, " is cut short at byte ", offset));
  }
  return bytes;
}

}  // namespace

uint32_t MaskedCrc32c(absl::string_view bytes) {
  static const std::array<uint32_t, 256> table = Crc32cTable();
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<uint8_t>(byte)) & 0xff] ^ crc >> 8;
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

std::string TfRecord(absl::string_view data) {
  std::string record;
  AppendLittleEndian(data.size(), 8, &record);
  AppendLittleEndian(MaskedCrc32c(record), 4, &record);
  absl::StrAppend(&record, data);
  AppendLittleEndian(MaskedCrc32c(data), 4, &record);
  return record;
}

absl::StatusOr<RecordListing> ListRecords(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (!file || error) return absl::NotFoundError("cannot open " + path);
  RecordListing listing;
  int64_t at = 0;
  while (at < size) {
    const auto header = ReadAt(file, at, kRecordHeaderBytes, path);
    if (!header.ok()) {
      listing.problem = header.status();
      break;
    }
    const uint64_t length = LittleEndian(absl::string_view(*header).substr(0, 8));
    if (LittleEndian(absl::string_view(*header).substr(8)) != MaskedCrc32c(header->substr(0, 8))) {
      listing.problem = absl::DataLossError(
          absl::StrCat(path, " is damaged: a length's checksum is wrong at byte ", at));
      break;
    }
    if (length > static_cast<uint64_t>(size) ||
        at + kRecordHeaderBytes + static_cast<int64_t>(length) + kFooterBytes > size) {
      listing.problem = absl::DataLossError(absl::StrCat(path, " is cut short at byte ", size));
      break;
    }
    listing.records.push_back({at + kRecordHeaderBytes, static_cast<int64_t>(length)});
    at += kRecordHeaderBytes + static_cast<int64_t>(length) + kFooterBytes;
  }
  return listing;
}

absl::StatusOr<std::string> ReadRecord(const std::string& path, const RecordPlace& place) {
  if (place.length > kMaxRecordBytes) {
    return absl::DataLossError(absl::StrCat(path, " has a record of ", place.length, " bytes"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError("cannot open " + path);
  SM_ASSIGN_OR_RETURN(std::string bytes, ReadAt(file, place.offset, place.length, path));
  SM_ASSIGN_OR_RETURN(const std::string crc,
                      ReadAt(file, place.offset + place.length, kFooterBytes, path));
  if (LittleEndian(crc) != MaskedCrc32c(bytes)) {
    return absl::DataLossError(
        absl::StrCat(path, " is damaged: a record's checksum is wrong at byte ", place.offset));
  }
  return bytes;
}

}  // namespace slotmatch
