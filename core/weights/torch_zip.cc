#include "core/weights/torch_zip.h"

#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/torch_pickle.h"
#include "core/weights/zip_entries.h"

namespace slotmatch {
namespace {

using Bytes = absl::Span<const uint8_t>;
using Entries = std::map<std::string, Bytes>;

constexpr absl::string_view kZipStart = "PK\x03\x04";
constexpr absl::string_view kPickleName = "data.pkl";

absl::string_view TextOf(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The one top-level folder, with its '/'.
absl::StatusOr<std::string> Folder(const Entries& entries) {
  for (const auto& [name, bytes] : entries) {
    const size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(slash + 1) == kPickleName) {
      return name.substr(0, slash + 1);
    }
  }
  return absl::DataLossError("holds no data.pkl: not a checkpoint of torch.save");
}

absl::Status CheckByteOrder(const Entries& entries, const std::string& folder) {
  const auto order = entries.find(folder + "byteorder");
  if (order == entries.end() || TextOf(order->second) == "little") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("entry '", order->first,
                                          "' says that the data is not little-endian; save it "
                                          "again on a little-endian machine"));
}

}  // namespace

bool IsTorchZip(Bytes file) { return absl::StartsWith(TextOf(file), kZipStart); }

absl::Status ReadTorchZip(Bytes file, ArchiveContents* contents) {
  SM_ASSIGN_OR_RETURN(const Entries entries, ZipEntries(file));
  SM_ASSIGN_OR_RETURN(const std::string folder, Folder(entries));
  SM_RETURN_IF_ERROR(CheckByteOrder(entries, folder));
  const std::string pickle_name = absl::StrCat(folder, kPickleName);
  const absl::StatusOr<TorchPickle> pickle = TorchPickle::Read(entries.at(pickle_name));
  if (!pickle.ok()) return Annotate(pickle.status(), absl::StrCat("entry '", pickle_name, "'"));
  const StorageBytes storage_bytes = [&](const TorchStorage& storage) -> absl::StatusOr<Bytes> {
    const auto entry = entries.find(absl::StrCat(folder, "data/", storage.key));
    if (entry != entries.end()) return entry->second;
    return absl::DataLossError(absl::StrCat("entry '", absl::CHexEscape(folder), "data/",
                                            absl::CHexEscape(storage.key), "' is missing"));
  };
  return pickle->Flatten(storage_bytes, file.size(), contents);
}

}  // namespace slotmatch
