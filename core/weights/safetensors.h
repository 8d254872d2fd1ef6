#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slotmatch {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kU8, kBool };
size_t ByteSize(DType dtype);
const char* DTypeName(DType dtype);  // "F32", ...

// A tensor of an archive: bytes borrowed from it, little-endian, row-major.
struct TensorView {
  DType dtype;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;
  int64_t num_elements() const;
};

// A safetensors file, memory-mapped. The header is validated completely before any tensor can be
// seen: size, JSON, known dtypes, shapes, offsets in range, without gaps or overlaps.
// kNotFound: no such file. kDataLoss: anything wrong in it, naming file and tensor.
// Immutable after Open, thread-safe.
class SafetensorsFile {
 public:
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const TensorView* Find(const std::string& name) const;  // null when absent

 private:
  SafetensorsFile() = default;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
  void* mapping_ = nullptr;
  size_t mapping_size_ = 0;
};

// Writes tensors (views borrowed for the call) in name order, atomically.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace slotmatch
