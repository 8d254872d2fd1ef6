#include "core/weights/zip_entries.h"

#include <minizip/unzip.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

using Bytes = absl::Span<const uint8_t>;

struct Entry {
  std::string name;
  Bytes bytes;
  uint32_t crc;
};

// minizip's file functions over bytes in memory.
struct Memory {
  Bytes bytes;
  uint64_t position = 0;
  bool failed = false;
};

uLong ReadMemory(void* memory, void*, void* buffer, uLong size) {
  auto* from = static_cast<Memory*>(memory);
  const uint64_t count = std::min<uint64_t>(size, from->bytes.size() - from->position);
  if (count > 0) std::memcpy(buffer, from->bytes.data() + from->position, count);
  from->position += count;
  from->failed = from->failed || count < size;
  return count;
}

long SeekMemory(void* memory, void*, ZPOS64_T offset, int origin) {
  auto* in = static_cast<Memory*>(memory);
  const uint64_t base = origin == ZLIB_FILEFUNC_SEEK_CUR   ? in->position
                        : origin == ZLIB_FILEFUNC_SEEK_END ? in->bytes.size()
                                                           : 0;
  if (offset > in->bytes.size() - base) return -1;
  in->position = base + offset;
  return 0;
}

zlib_filefunc64_def MemoryFunctions(Memory* memory) {
  zlib_filefunc64_def functions{};
  functions.zopen64_file = [](void* opened, const void*, int) { return opened; };
  functions.zread_file = &ReadMemory;
  functions.ztell64_file = [](void* in, void*) -> ZPOS64_T {
    return static_cast<Memory*>(in)->position;
  };
  functions.zseek64_file = &SeekMemory;
  functions.zclose_file = [](void*, void*) { return 0; };
  functions.zerror_file = [](void* in, void*) -> int { return static_cast<Memory*>(in)->failed; };
  functions.opaque = memory;
  return functions;
}

absl::Status EntryError(const std::string& name, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("entry '", absl::CHexEscape(name), "' ", why));
}

absl::StatusOr<Entry> CurrentEntry(unzFile zip, Bytes file) {
  unz_file_info64 info{};
  int code = unzGetCurrentFileInfo64(zip, &info, nullptr, 0, nullptr, 0, nullptr, 0);
  Entry entry{std::string(info.size_filename, '\0'), {}, static_cast<uint32_t>(info.crc)};
  if (code == UNZ_OK) {
    code = unzGetCurrentFileInfo64(zip, &info, entry.name.data(), entry.name.size(), nullptr, 0,
                                   nullptr, 0);
  }
  if (code != UNZ_OK) return absl::DataLossError("the zip directory is damaged");
  if (info.compression_method != 0) {
    return EntryError(entry.name, "is compressed; torch.save stores entries as they are");
  }
  if ((info.flag & 1) != 0) return EntryError(entry.name, "is encrypted");
  if (info.compressed_size != info.uncompressed_size) {
    return EntryError(entry.name, "has two sizes");
  }
  int method = 0;
  int level = 0;
  if (unzOpenCurrentFile2(zip, &method, &level, /*raw=*/1) != UNZ_OK) {
    return EntryError(entry.name, "has a damaged header");
  }
  const absl::Cleanup close = [zip] { unzCloseCurrentFile(zip); };
  const uint64_t begin = unzGetCurrentFileZStreamPos64(zip);
  if (begin > file.size() || info.uncompressed_size > file.size() - begin) {
    return EntryError(entry.name, "lies outside of the file");
  }
  entry.bytes = file.subspan(begin, info.uncompressed_size);
  return entry;
}

// Entries that share bytes would let a small file stand for a large one.
absl::Status CheckApart(std::vector<Entry>* entries) {
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) {
    return std::make_pair(a.bytes.data(), a.bytes.size()) <
           std::make_pair(b.bytes.data(), b.bytes.size());
  });
  const uint8_t* end = nullptr;
  for (const Entry& entry : *entries) {
    if (end != nullptr && entry.bytes.data() < end) {
      return EntryError(entry.name, "overlaps another");
    }
    end = entry.bytes.data() + entry.bytes.size();
  }
  return absl::OkStatus();
}

absl::Status CheckCrc(const Entry& entry) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  return absl::OkStatus();  // a fuzzer cannot guess checksums
#endif
  if (crc32_z(0, entry.bytes.data(), entry.bytes.size()) == entry.crc) return absl::OkStatus();
  return EntryError(entry.name, "does not have its CRC-32: the file is damaged");
}

}  // namespace

absl::StatusOr<std::map<std::string, Bytes>> ZipEntries(Bytes file) {
  Memory memory{file};
  zlib_filefunc64_def functions = MemoryFunctions(&memory);
  const unzFile zip = unzOpen2_64(nullptr, &functions);
  if (zip == nullptr) {
    return absl::DataLossError("the zip directory is missing: the file is truncated or damaged");
  }
  const absl::Cleanup close = [zip] { unzClose(zip); };
  std::vector<Entry> list;
  int code = unzGoToFirstFile(zip);
  for (; code == UNZ_OK; code = unzGoToNextFile(zip)) {
    SM_ASSIGN_OR_RETURN(Entry entry, CurrentEntry(zip, file));
    list.push_back(std::move(entry));
  }
  if (code != UNZ_END_OF_LIST_OF_FILE) return absl::DataLossError("the zip directory is damaged");
  SM_RETURN_IF_ERROR(CheckApart(&list));
  std::map<std::string, Bytes> entries;
  for (const Entry& entry : list) {
    SM_RETURN_IF_ERROR(CheckCrc(entry));
    if (!entries.emplace(entry.name, entry.bytes).second) {
      return EntryError(entry.name, "stands in the archive twice");
    }
  }
  return entries;
}

}  // namespace slotmatch
