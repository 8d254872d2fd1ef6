#include "core/weights/tensor_archive.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/weights/onnx.h"
#include "core/weights/safetensors.h"
#include "core/weights/torch_legacy.h"
#include "core/weights/torch_zip.h"

namespace slotmatch {
namespace {

// The first row that matches reads the file.
constexpr ArchiveFormat kFormats[] = {
    {"torch-zip", &IsTorchZip, &ReadTorchZip},
    {"torch-legacy", &IsTorchLegacy, &ReadTorchLegacy},
    {"safetensors", &IsSafetensors, &ReadSafetensors},
    {"onnx", &IsOnnx, &ReadOnnx},
};

std::string FormatNames() {
  return absl::StrJoin(kFormats, ", ", [](std::string* out, const ArchiveFormat& format) {
    absl::StrAppend(out, format.name);
  });
}

}  // namespace

absl::Span<const ArchiveFormat> ArchiveFormats() { return kFormats; }

const TensorView* TensorArchive::Find(const std::string& name) const {
  const auto found = contents_.tensors.find(name);
  return found == contents_.tensors.end() ? nullptr : &found->second;
}

absl::StatusOr<std::shared_ptr<const TensorArchive>> OpenTensorArchive(const std::string& path) {
  SM_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  for (const ArchiveFormat& format : kFormats) {
    if (!format.matches(file->bytes())) continue;
    ArchiveContents contents;
    const absl::Status read = format.read(file->bytes(), &contents);
    if (!read.ok()) return Annotate(read, absl::StrCat(path, " (", format.name, ")"));
    return std::make_shared<const TensorArchive>(format.name, std::move(file), std::move(contents));
  }
  return absl::DataLossError(absl::StrCat(
      path, " is not a weight file, or its start is damaged; read are ", FormatNames()));
}

}  // namespace slotmatch
