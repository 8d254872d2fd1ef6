#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/mapped_file.h"
#include "core/weights/tensor_view.h"

namespace slotmatch {

// What a reader found in a file. Views borrow from the file or from `owned`.
struct ArchiveContents {
  // Nested containers are flattened: keys and positions joined by '.', as in
  // "state_dict.encoder.weight" or "optimizer_states.0.state.3.exp_avg".
  std::map<std::string, TensorView> tensors;
  // Scalars and lists of scalars, by the same names: texts as they are, everything else as JSON.
  // Texts and lists of more than 4 KiB are left out.
  std::map<std::string, std::string> metadata;
  // Row-major copies of tensors that the file stores in another order.
  std::deque<std::vector<uint8_t>> owned;
};

// A row of the table of formats. `matches` looks at the content only. `read` fails with kDataLoss
// and the entry's name; it never runs what the file holds, never crashes, and takes memory of a
// small multiple of the file's size.
struct ArchiveFormat {
  const char* name;
  bool (*matches)(absl::Span<const uint8_t> file);
  absl::Status (*read)(absl::Span<const uint8_t> file, ArchiveContents* contents);
};
absl::Span<const ArchiveFormat> ArchiveFormats();

// Named tensors of a weight file. Immutable, thread-safe; views are valid as long as it lives.
class TensorArchive {
 public:
  TensorArchive(std::string format, std::shared_ptr<const MappedFile> file,
                ArchiveContents contents)
      : format_(std::move(format)), file_(std::move(file)), contents_(std::move(contents)) {}
  TensorArchive(const TensorArchive&) = delete;
  TensorArchive& operator=(const TensorArchive&) = delete;

  const std::string& format() const { return format_; }  // "safetensors", "torch-zip", ...
  const std::map<std::string, TensorView>& tensors() const { return contents_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return contents_.metadata; }
  const TensorView* Find(const std::string& name) const;  // null when absent

 private:
  const std::string format_;
  const std::shared_ptr<const MappedFile> file_;
  const ArchiveContents contents_;
};

// Opens a weight file of any known format, told by its content, never by its name.
// kNotFound: no such file. kDataLoss: not a weight file, or damaged; names file and entry.
absl::StatusOr<std::shared_ptr<const TensorArchive>> OpenTensorArchive(const std::string& path);

}  // namespace slotmatch
