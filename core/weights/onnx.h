#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/weights/tensor_archive.h"

namespace slotmatch {

// The initialisers of an ONNX model, by their names; its graph is not run, but gives weights of
// linear layers their names back (core/weights/onnx_linear.h). Source: onnx.proto3 of
// onnx 1.12 (ModelProto, GraphProto, TensorProto).
bool IsOnnx(absl::Span<const uint8_t> file);

// kDataLoss: not a model, truncated, an initialiser without a name, of an element type that is not
// read, with data that does not fit its shape, or kept in another file (external data).
absl::Status ReadOnnx(absl::Span<const uint8_t> file, ArchiveContents* contents);

}  // namespace slotmatch
