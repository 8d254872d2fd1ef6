#include "core/weights/onnx.h"

#include <google/protobuf/io/coded_stream.h>
#include <utf8.h>

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/onnx_linear.h"
#include "core/weights/onnx_message.h"
#include "core/weights/shown_name.h"

namespace slotmatch {
namespace {

using Bytes = absl::Span<const uint8_t>;
using google::protobuf::io::CodedInputStream;

// Field numbers of onnx.proto3.
constexpr int kModelGraph = 7;
constexpr int kModelMetadata = 14;
constexpr int kEntryKey = 1;
constexpr int kEntryValue = 2;
constexpr int kGraphNode = 1;
constexpr int kGraphInitializer = 5;
constexpr int kNodeInput = 1;
constexpr int kNodeOutput = 2;
constexpr int kNodeOp = 4;
constexpr int kTensorDims = 1;
constexpr int kTensorType = 2;
constexpr int kTensorFloatData = 4;
constexpr int kTensorInt32Data = 5;
constexpr int kTensorInt64Data = 7;
constexpr int kTensorName = 8;
constexpr int kTensorRawData = 9;
constexpr int kTensorDoubleData = 10;
constexpr int kTensorExternalData = 13;
constexpr int kTensorLocation = 14;

// TensorProto.DataType, and the field that holds the elements where raw_data does not: as they are
// (fixed width) or one varint each.
struct TypeRow {
  uint64_t onnx;
  DType dtype;
  int field;
};
constexpr TypeRow kTypes[] = {
    {1, DType::kF32, kTensorFloatData},   {2, DType::kU8, kTensorInt32Data},
    {3, DType::kI8, kTensorInt32Data},    {5, DType::kI16, kTensorInt32Data},
    {6, DType::kI32, kTensorInt32Data},   {7, DType::kI64, kTensorInt64Data},
    {9, DType::kBool, kTensorInt32Data},  {10, DType::kF16, kTensorInt32Data},
    {11, DType::kF64, kTensorDoubleData}, {16, DType::kBF16, kTensorInt32Data},
};

bool IsVarint(int field) { return field == kTensorInt32Data || field == kTensorInt64Data; }

struct Initializer {
  std::string name;
  std::vector<int64_t> shape;
  uint64_t type = 0;
  std::map<int, Bytes> data;  // by field
  bool external = false;
};

absl::StatusOr<std::string> Text(Bytes bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!utf8::is_valid(text.begin(), text.end())) return absl::DataLossError("a name is not UTF-8");
  return text;
}

absl::Status AddDims(const WireField& field, std::vector<int64_t>* shape) {
  if (field.varint.has_value()) shape->push_back(static_cast<int64_t>(*field.varint));
  CodedInputStream packed(field.bytes.data(), static_cast<int>(field.bytes.size()));
  while (packed.CurrentPosition() < static_cast<int>(field.bytes.size())) {
    uint64_t side = 0;
    if (shape->size() > kMaxRank || !packed.ReadVarint64(&side)) break;
    shape->push_back(static_cast<int64_t>(side));
  }
  if (shape->size() <= kMaxRank) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("more than ", kMaxRank, " axes"));
}

absl::Status AddData(const WireField& field, Initializer* tensor) {
  if (field.varint.has_value() || !tensor->data.emplace(field.number, field.bytes).second) {
    return absl::DataLossError("the data is in pieces");
  }
  return absl::OkStatus();
}

absl::StatusOr<Initializer> ParseInitializer(Bytes bytes) {
  Initializer tensor;
  for (WireMessage message(bytes); !message.done();) {
    SM_ASSIGN_OR_RETURN(const WireField field, message.Next());
    switch (field.number) {
      case kTensorDims:
        SM_RETURN_IF_ERROR(AddDims(field, &tensor.shape));
        break;
      case kTensorType:
        tensor.type = field.varint.value_or(0);
        break;
      case kTensorName: {
        SM_ASSIGN_OR_RETURN(tensor.name, Text(field.bytes));
        break;
      }
      case kTensorRawData:
      case kTensorFloatData:
      case kTensorInt32Data:
      case kTensorInt64Data:
      case kTensorDoubleData:
        SM_RETURN_IF_ERROR(AddData(field, &tensor));
        break;
      case kTensorExternalData:
        tensor.external = true;
        break;
      case kTensorLocation:
        tensor.external = tensor.external || field.varint.value_or(0) != 0;
        break;
      default:
        break;
    }
  }
  return tensor;
}

// One varint an element, as little-endian elements of `width` bytes.
absl::Status DecodeVarints(Bytes varints, size_t width, std::vector<uint8_t>* elements) {
  CodedInputStream stream(varints.data(), static_cast<int>(varints.size()));
  for (size_t done = 0; done < elements->size(); done += width) {
    uint64_t value = 0;
    if (!stream.ReadVarint64(&value))
      return absl::DataLossError("the data is shorter than its shape");
    std::memcpy(elements->data() + done, &value, width);
  }
  if (stream.CurrentPosition() == static_cast<int>(varints.size())) return absl::OkStatus();
  return absl::DataLossError("the data is longer than its shape");
}

absl::StatusOr<TensorView> ViewOf(const Initializer& tensor, ArchiveContents* contents) {
  if (tensor.external) {
    return absl::DataLossError(
        "is kept in another file; save the model with its weights inside (onnx.save_model with "
        "save_as_external_data=False)");
  }
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                 [&](const TypeRow& r) { return r.onnx == tensor.type; });
  if (row == std::end(kTypes)) {
    return absl::DataLossError(
        absl::StrCat("elements of ONNX type ", tensor.type, " are not read"));
  }
  TensorView view{row->dtype, tensor.shape, {}};
  SM_ASSIGN_OR_RETURN(const uint64_t size, CheckedByteSize(row->dtype, tensor.shape));
  const auto raw = tensor.data.find(kTensorRawData);
  const auto typed = tensor.data.find(row->field);
  if (raw == tensor.data.end() && typed != tensor.data.end() && IsVarint(row->field)) {
    const size_t width = ByteSize(row->dtype);
    if (size / width > typed->second.size()) {  // an element takes a byte at least
      return absl::DataLossError("the data is shorter than its shape");
    }
    contents->owned.emplace_back(size);
    view.bytes = absl::MakeSpan(contents->owned.back());
    SM_RETURN_IF_ERROR(DecodeVarints(typed->second, width, &contents->owned.back()));
    return view;
  }
  if (raw != tensor.data.end()) view.bytes = raw->second;
  if (raw == tensor.data.end() && typed != tensor.data.end()) view.bytes = typed->second;
  if (view.bytes.size() == size) return view;
  return absl::DataLossError(
      absl::StrCat("has ", view.bytes.size(), " bytes of data, its shape needs ", size));
}

absl::Status AddInitializer(Bytes bytes, ArchiveContents* contents) {
  SM_ASSIGN_OR_RETURN(const Initializer tensor, ParseInitializer(bytes));
  const std::string shown = absl::StrCat("initializer ", ShownName(tensor.name));
  if (tensor.name.empty()) return absl::DataLossError("an initializer has no name");
  absl::StatusOr<TensorView> view = ViewOf(tensor, contents);
  if (!view.ok()) return Annotate(view.status(), shown);
  if (contents->tensors.emplace(tensor.name, *std::move(view)).second) return absl::OkStatus();
  return absl::DataLossError(shown + " stands in the file twice");
}

absl::Status AddMetadata(Bytes bytes, ArchiveContents* contents) {
  std::string key;
  std::string value;
  for (WireMessage message(bytes); !message.done();) {
    SM_ASSIGN_OR_RETURN(const WireField field, message.Next());
    if (field.number != kEntryKey && field.number != kEntryValue) continue;
    SM_ASSIGN_OR_RETURN((field.number == kEntryKey ? key : value), Text(field.bytes));
  }
  contents->metadata.emplace(std::move(key), std::move(value));
  return absl::OkStatus();
}

// A node that NameLinearWeights() looks at; such nodes have two inputs and one output.
absl::Status AddNode(Bytes bytes, std::vector<OnnxNode>* nodes) {
  OnnxNode node;
  for (WireMessage message(bytes); !message.done();) {
    SM_ASSIGN_OR_RETURN(const WireField field, message.Next());
    const std::string text(reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size());
    if (field.number == kNodeOp) node.op = text;
    if (field.number == kNodeInput && node.inputs.size() <= 2) node.inputs.push_back(text);
    if (field.number == kNodeOutput && node.outputs.size() <= 1) node.outputs.push_back(text);
  }
  if (node.op == "MatMul" || node.op == "Add") nodes->push_back(std::move(node));
  return absl::OkStatus();
}

absl::Status ReadGraph(Bytes bytes, ArchiveContents* contents) {
  std::vector<OnnxNode> nodes;
  for (WireMessage message(bytes); !message.done();) {
    SM_ASSIGN_OR_RETURN(const WireField field, message.Next());
    if (field.number == kGraphInitializer) {
      SM_RETURN_IF_ERROR(AddInitializer(field.bytes, contents));
    } else if (field.number == kGraphNode) {
      SM_RETURN_IF_ERROR(AddNode(field.bytes, &nodes));
    }
  }
  NameLinearWeights(nodes, contents);
  return absl::OkStatus();
}

}  // namespace

// A model begins with its ir_version: field 1, a small number.
bool IsOnnx(Bytes file) { return file.size() > 2 && file[0] == 0x08 && file[1] < 0x20; }

absl::Status ReadOnnx(Bytes file, ArchiveContents* contents) {
  if (file.size() > std::numeric_limits<int>::max()) {
    return absl::DataLossError("a model of more than 2 GiB is no valid protocol buffer");
  }
  bool has_graph = false;
  for (WireMessage message(file); !message.done();) {
    SM_ASSIGN_OR_RETURN(const WireField field, message.Next());
    if (field.number == kModelGraph) {
      has_graph = true;
      SM_RETURN_IF_ERROR(ReadGraph(field.bytes, contents));
    } else if (field.number == kModelMetadata) {
      SM_RETURN_IF_ERROR(AddMetadata(field.bytes, contents));
    }
  }
  return has_graph ? absl::OkStatus() : absl::DataLossError("there is no graph: not a model");
}

}  // namespace slotmatch
