#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/weights/pickle.h"
#include "core/weights/tensor_archive.h"

namespace slotmatch {

// A storage that a pickle of torch.save names; its bytes lie elsewhere in the file.
struct TorchStorage {
  absl::string_view key;
  const char* type;     // "torch.FloatStorage"
  uint64_t count;       // elements of the whole storage
  uint64_t byte_size;   // of the whole storage
  uint64_t byte_begin;  // where the view of it begins that tensors are counted from
  uint64_t byte_end;
};

// The bytes of a whole storage.
using StorageBytes =
    std::function<absl::StatusOr<absl::Span<const uint8_t>>(const TorchStorage& storage)>;

// A pickle as torch.save writes it: read once, then flattened into tensors. Borrows `bytes`.
// Globals read: torch._utils._rebuild_tensor, _rebuild_tensor_v2, _v3 and _rebuild_parameter,
// torch's storages and dtypes, torch.Size, collections.OrderedDict, set and frozenset.
class TorchPickle {
 public:
  // The pickle at the start of `bytes`. kDataLoss as ReadPickle.
  static absl::StatusOr<TorchPickle> Read(absl::Span<const uint8_t> bytes);

  const PickleValue& root() const { return result_.root; }
  const PickleHeap& heap() const { return heap_; }
  size_t size() const { return result_.size; }  // bytes of the pickle

  // Every storage it names, in the order of first mention. kDataLoss: not a storage, or one key
  // with two sizes.
  absl::StatusOr<std::vector<TorchStorage>> Storages() const;

  // Names and views of all tensors, and the scalars beside them. Tensors that are not row-major are
  // copied; copies take at most four times `file_size` and 1 MiB. kDataLoss names the entry.
  absl::Status Flatten(const StorageBytes& storage_bytes, uint64_t file_size,
                       ArchiveContents* contents) const;

 private:
  PickleHeap heap_;
  PickleResult result_;
};

}  // namespace slotmatch
