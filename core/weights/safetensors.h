#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/mapped_file.h"
#include "core/weights/tensor_archive.h"
#include "core/weights/tensor_view.h"

namespace slotmatch {

// A length, a JSON header, raw tensors. Source: huggingface/safetensors, README "Format".
bool IsSafetensors(absl::Span<const uint8_t> file);

// The header is validated completely before any tensor can be seen: size, JSON, known dtypes,
// shapes, offsets in range, without gaps or overlaps. kDataLoss: anything wrong in it, naming the
// tensor.
absl::Status ReadSafetensors(absl::Span<const uint8_t> file, ArchiveContents* contents);

// A safetensors file, memory-mapped and checked as ReadSafetensors does.
// kNotFound: no such file. kDataLoss: anything wrong in it, naming file and tensor.
// Immutable after Open, thread-safe.
class SafetensorsFile {
 public:
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, TensorView>& tensors() const { return contents_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return contents_.metadata; }
  const TensorView* Find(const std::string& name) const;  // null when absent

 private:
  SafetensorsFile() = default;
  std::shared_ptr<const MappedFile> file_;
  ArchiveContents contents_;
};

// Writes tensors (views borrowed for the call) in name order, atomically.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace slotmatch
