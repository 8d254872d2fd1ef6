#include "core/weights/torch_legacy.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/torch_pickle.h"

namespace slotmatch {
namespace {

using Bytes = absl::Span<const uint8_t>;

// LONG1 with 10 bytes of 0x1950a86a20f9469cfc6c.
constexpr absl::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr absl::string_view kMagicOpcode = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t kVersion = 1001;
constexpr size_t kMagicWithin = 32;  // PROTO and FRAME come before

// The next pickle; moves `rest` behind it.
absl::StatusOr<TorchPickle> NextPickle(Bytes* rest, const char* what) {
  absl::StatusOr<TorchPickle> pickle = TorchPickle::Read(*rest);
  if (!pickle.ok()) return Annotate(pickle.status(), what);
  rest->remove_prefix(pickle->size());
  return pickle;
}

absl::Status CheckHead(Bytes* rest) {
  SM_ASSIGN_OR_RETURN(const TorchPickle magic, NextPickle(rest, "magic number"));
  if (magic.root().kind != PickleKind::kBigInt || magic.root().str() != kMagic) {
    return absl::DataLossError("the magic number is wrong");
  }
  SM_ASSIGN_OR_RETURN(const TorchPickle version, NextPickle(rest, "protocol version"));
  if (version.root().kind != PickleKind::kInt || version.root().integer != kVersion) {
    return absl::DataLossError(absl::StrCat("the protocol version is not ", kVersion));
  }
  SM_ASSIGN_OR_RETURN(const TorchPickle system, NextPickle(rest, "system information"));
  if (system.root().kind != PickleKind::kDict) {
    return absl::DataLossError("the system information is not a dict");
  }
  const absl::Span<const PickleValue> items = system.heap().items(system.root());
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind == PickleKind::kText && items[i].str() == "little_endian" &&
        (items[i + 1].kind != PickleKind::kBool || !items[i + 1].truth)) {
      return absl::DataLossError(
          "the data is not little-endian; save it again on a little-endian machine");
    }
  }
  return absl::OkStatus();
}

// The raw storages, in the order of `keys`.
absl::StatusOr<std::map<absl::string_view, Bytes>> ReadStorages(
    const TorchPickle& keys, const std::map<absl::string_view, TorchStorage>& known, Bytes rest) {
  std::map<absl::string_view, Bytes> storages;
  if (keys.root().kind != PickleKind::kList) {
    return absl::DataLossError("the storage keys are not a list");
  }
  for (const PickleValue& key : keys.heap().items(keys.root())) {
    const auto found = key.kind == PickleKind::kText ? known.find(key.str()) : known.end();
    if (found == known.end()) return absl::DataLossError("a storage key is not used by any tensor");
    const TorchStorage& storage = found->second;
    uint64_t count = 0;
    const auto wrong = [&](absl::string_view why) {
      return absl::DataLossError(
          absl::StrCat("storage '", absl::CHexEscape(storage.key), "' ", why));
    };
    if (rest.size() < sizeof(count)) return wrong("is missing: the file is truncated");
    std::memcpy(&count, rest.data(), sizeof(count));
    rest.remove_prefix(sizeof(count));
    if (count != storage.count) return wrong("has another number of elements than its tensor says");
    if (rest.size() < storage.byte_size) return wrong("is cut: the file is truncated");
    if (!storages.emplace(storage.key, rest.subspan(0, storage.byte_size)).second) {
      return wrong("stands in the file twice");
    }
    rest.remove_prefix(storage.byte_size);
  }
  if (!rest.empty()) {
    return absl::DataLossError(absl::StrCat(rest.size(), " bytes after the last storage"));
  }
  return storages;
}

}  // namespace

bool IsTorchLegacy(Bytes file) {
  const absl::string_view start(reinterpret_cast<const char*>(file.data()),
                                std::min(file.size(), kMagicWithin));
  return !start.empty() && start[0] == '\x80' && start.find(kMagicOpcode) != start.npos;
}

absl::Status ReadTorchLegacy(Bytes file, ArchiveContents* contents) {
  Bytes rest = file;
  SM_RETURN_IF_ERROR(CheckHead(&rest));
  SM_ASSIGN_OR_RETURN(const TorchPickle pickle, NextPickle(&rest, "object"));
  SM_ASSIGN_OR_RETURN(const TorchPickle keys, NextPickle(&rest, "storage keys"));
  SM_ASSIGN_OR_RETURN(const std::vector<TorchStorage> list, pickle.Storages());
  std::map<absl::string_view, TorchStorage> known;
  for (const TorchStorage& storage : list) known.emplace(storage.key, storage);
  SM_ASSIGN_OR_RETURN(const auto storages, ReadStorages(keys, known, rest));
  const StorageBytes storage_bytes = [&](const TorchStorage& storage) -> absl::StatusOr<Bytes> {
    const auto found = storages.find(storage.key);
    if (found != storages.end()) return found->second;
    return absl::DataLossError(
        absl::StrCat("storage '", absl::CHexEscape(storage.key), "' is missing"));
  };
  return pickle.Flatten(storage_bytes, file.size(), contents);
}

}  // namespace slotmatch
