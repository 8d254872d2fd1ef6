#include <cstdlib>

#include "core/weights/torch_pickle.h"

// A bare pickle, flattened over one storage of zeros that stands for all of them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using slotmatch::TorchPickle;
  static const uint8_t kStorage[4096] = {};
  const absl::StatusOr<TorchPickle> pickle = TorchPickle::Read(absl::MakeSpan(data, size));
  if (!pickle.ok()) {
    if (pickle.status().code() != absl::StatusCode::kDataLoss) std::abort();
    return 0;
  }
  if (pickle->size() > size) std::abort();
  static_cast<void>(pickle->Storages());
  slotmatch::ArchiveContents contents;
  const slotmatch::StorageBytes bytes = [](const slotmatch::TorchStorage& storage) {
    return absl::MakeSpan(kStorage).subspan(0, storage.byte_size);
  };
  pickle->Flatten(bytes, size, &contents).IgnoreError();
  return 0;
}
