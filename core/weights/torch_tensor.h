#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weights/read_budget.h"
#include "core/weights/tensor_archive.h"
#include "core/weights/torch_pickle.h"

namespace slotmatch {

extern const absl::Span<const PickleGlobal> kTorchGlobals;

// A tensor as torch stores it: a strided view of a storage, in elements.
struct TorchTensor {
  TorchStorage storage;
  DType dtype;
  int64_t offset;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// The storage named by a persistent value. kDataLoss: not what torch.save writes.
absl::StatusOr<TorchStorage> StorageOf(const PickleHeap& heap, const PickleValue& persistent);

// The tensor that a noted call would rebuild. kDataLoss: not what torch.save writes, a dtype that
// is not read, or a view that leaves its storage.
absl::StatusOr<TorchTensor> TensorOf(const PickleHeap& heap, const PickleValue& call);

// `storage` is the whole one. Row-major tensors borrow it; others are copied into contents->owned.
// kDataLoss: copies beyond `budget`.
absl::StatusOr<TensorView> ViewOf(const TorchTensor& tensor, absl::Span<const uint8_t> storage,
                                  ReadBudget* budget, ArchiveContents* contents);

}  // namespace slotmatch
