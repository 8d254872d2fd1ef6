#include "core/weights/torch_tensor.h"

#include <array>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr uint32_t kMaxStorageKey = 256;  // torch writes a number or an address

// Functions that make tensors, and containers.
constexpr PickleGlobal kCalls[] = {
    {"torch._utils._rebuild_tensor", PickleKind::kCall},
    {"torch._utils._rebuild_tensor_v2", PickleKind::kCall},
    {"torch._utils._rebuild_tensor_v3", PickleKind::kCall},
    {"torch._utils._rebuild_parameter", PickleKind::kCall},
    {"collections.OrderedDict", PickleKind::kDict},
    {"torch.Size", PickleKind::kTuple},
    {"builtins.set", PickleKind::kSet},
    {"builtins.frozenset", PickleKind::kSet},
    {"__builtin__.set", PickleKind::kSet},
    {"__builtin__.frozenset", PickleKind::kSet},
};

// Element types: by storage class, and by dtype where the storage has none. Those without a DType
// are known, so that a file with one is refused by the tensor's name only where it is used.
struct TypeRow {
  const char* name;
  size_t bytes;
  std::optional<DType> dtype;
};
constexpr TypeRow kTypes[] = {
    {"torch.DoubleStorage", 8, DType::kF64},
    {"torch.FloatStorage", 4, DType::kF32},
    {"torch.HalfStorage", 2, DType::kF16},
    {"torch.BFloat16Storage", 2, DType::kBF16},
    {"torch.LongStorage", 8, DType::kI64},
    {"torch.IntStorage", 4, DType::kI32},
    {"torch.ShortStorage", 2, DType::kI16},
    {"torch.CharStorage", 1, DType::kI8},
    {"torch.ByteStorage", 1, DType::kU8},
    {"torch.BoolStorage", 1, DType::kBool},
    {"torch.ComplexFloatStorage", 8, std::nullopt},
    {"torch.ComplexDoubleStorage", 16, std::nullopt},
    {"torch.QInt8Storage", 1, std::nullopt},
    {"torch.QUInt8Storage", 1, std::nullopt},
    {"torch.QInt32Storage", 4, std::nullopt},
    {"torch.UntypedStorage", 1, std::nullopt},
    {"torch.storage.UntypedStorage", 1, std::nullopt},
    {"torch.storage._UntypedStorage", 1, std::nullopt},
    {"torch.storage.TypedStorage", 1, std::nullopt},
    {"torch.storage._TypedStorage", 1, std::nullopt},
    {"torch.float64", 8, DType::kF64},
    {"torch.float32", 4, DType::kF32},
    {"torch.float16", 2, DType::kF16},
    {"torch.bfloat16", 2, DType::kBF16},
    {"torch.int64", 8, DType::kI64},
    {"torch.int32", 4, DType::kI32},
    {"torch.int16", 2, DType::kI16},
    {"torch.int8", 1, DType::kI8},
    {"torch.uint8", 1, DType::kU8},
    {"torch.bool", 1, DType::kBool},
    {"torch.complex32", 4, std::nullopt},
    {"torch.complex64", 8, std::nullopt},
    {"torch.complex128", 16, std::nullopt},
    {"torch.uint16", 2, std::nullopt},
    {"torch.uint32", 4, std::nullopt},
    {"torch.uint64", 8, std::nullopt},
    {"torch.float8_e4m3fn", 1, std::nullopt},
    {"torch.float8_e5m2", 1, std::nullopt},
};

constexpr auto kGlobals = [] {
  std::array<PickleGlobal, std::size(kCalls) + std::size(kTypes)> all{};
  size_t row = 0;
  for (const PickleGlobal& call : kCalls) all[row++] = call;
  for (const TypeRow& type : kTypes) all[row++] = {type.name, PickleKind::kGlobal};
  return all;
}();

// Null when the value is not one of kTypes.
const TypeRow* TypeOf(const PickleValue& value) {
  if (value.kind != PickleKind::kGlobal || value.size < std::size(kCalls)) return nullptr;
  return &kTypes[value.size - std::size(kCalls)];
}

bool IsCount(const PickleValue& value) {
  return value.kind == PickleKind::kInt && value.integer >= 0;
}

absl::StatusOr<std::vector<int64_t>> Counts(const PickleHeap& heap, const PickleValue& tuple,
                                            const char* what) {
  if (tuple.kind != PickleKind::kTuple || heap.items(tuple).size() > kMaxRank) {
    return absl::DataLossError(absl::StrCat(what, " is not a tuple of at most ", kMaxRank));
  }
  std::vector<int64_t> counts;
  for (const PickleValue& value : heap.items(tuple)) {
    if (!IsCount(value)) {
      return absl::DataLossError(absl::StrCat(what, " holds something else than numbers from 0"));
    }
    counts.push_back(value.integer);
  }
  return counts;
}

absl::Status CheckInside(const TorchTensor& tensor) {
  SM_ASSIGN_OR_RETURN(const uint64_t bytes, CheckedByteSize(tensor.dtype, tensor.shape));
  if (bytes == 0) return absl::OkStatus();
  int64_t last = tensor.offset;
  bool overflow = false;
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    int64_t reach = 0;
    overflow = overflow ||
               __builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[axis], &reach) ||
               __builtin_add_overflow(last, reach, &last);
  }
  const uint64_t available =
      (tensor.storage.byte_end - tensor.storage.byte_begin) / ByteSize(tensor.dtype);
  if (overflow || static_cast<uint64_t>(last) >= available) {
    return absl::DataLossError(absl::StrCat("the view leaves its storage '",
                                            absl::CHexEscape(tensor.storage.key), "' of ",
                                            available, " elements"));
  }
  return absl::OkStatus();
}

bool IsRowMajor(const TorchTensor& tensor) {
  int64_t expected = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

// Copies in row-major order. Every position was checked to lie in the storage.
void CopyStrided(const TorchTensor& tensor, const uint8_t* first, std::vector<uint8_t>* copy) {
  const size_t element = ByteSize(tensor.dtype);
  std::vector<int64_t> index(tensor.shape.size(), 0);
  int64_t position = 0;
  for (size_t done = 0; done < copy->size(); done += element) {
    std::memcpy(copy->data() + done, first + static_cast<size_t>(position) * element, element);
    for (size_t axis = index.size(); axis-- > 0;) {
      position += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      position -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
}

// The arguments of _rebuild_tensor_v2, through any _rebuild_parameter around it.
absl::StatusOr<PickleValue> RebuildCall(const PickleHeap& heap, PickleValue call) {
  constexpr int kMaxWrappers = 2;
  for (int i = 0; i <= kMaxWrappers; ++i) {
    if (call.kind != PickleKind::kCall || heap.items(call).empty()) break;
    if (kGlobals[call.size].name != absl::string_view("torch._utils._rebuild_parameter")) {
      return call;
    }
    call = heap.items(call)[0];
  }
  return absl::DataLossError("the parameter holds no tensor");
}

}  // namespace

const absl::Span<const PickleGlobal> kTorchGlobals = kGlobals;

// ("storage", class, key, location, number of elements[, (view key, offset, elements) or None])
absl::StatusOr<TorchStorage> StorageOf(const PickleHeap& heap, const PickleValue& persistent) {
  const absl::Status wrong = absl::DataLossError("a storage is not described as torch.save does");
  if (persistent.kind != PickleKind::kPersistent) return wrong;
  const PickleValue& id = heap.items(persistent)[0];
  if (id.kind != PickleKind::kTuple || heap.items(id).size() < 5) return wrong;
  const absl::Span<const PickleValue> part = heap.items(id);
  const TypeRow* type = TypeOf(part[1]);
  if (part[0].kind != PickleKind::kText || part[0].str() != "storage" || type == nullptr ||
      part[2].kind != PickleKind::kText || part[2].size > kMaxStorageKey || !IsCount(part[4])) {
    return wrong;
  }
  TorchStorage storage{part[2].str(), type->name, static_cast<uint64_t>(part[4].integer), 0, 0, 0};
  if (__builtin_mul_overflow(part[4].integer, type->bytes, &storage.byte_size)) return wrong;
  storage.byte_end = storage.byte_size;
  if (part.size() == 5 || part[5].kind == PickleKind::kNone) return storage;
  if (part[5].kind != PickleKind::kTuple || heap.items(part[5]).size() != 3) return wrong;
  const absl::Span<const PickleValue> view = heap.items(part[5]);
  if (!IsCount(view[1]) || !IsCount(view[2]) || view[1].integer > part[4].integer ||
      view[2].integer > part[4].integer - view[1].integer) {
    return wrong;
  }
  storage.byte_begin = static_cast<uint64_t>(view[1].integer) * type->bytes;
  storage.byte_end = storage.byte_begin + static_cast<uint64_t>(view[2].integer) * type->bytes;
  return storage;
}

// (storage, offset, shape, strides[, requires_grad, hooks[, dtype of _v3]])
absl::StatusOr<TorchTensor> TensorOf(const PickleHeap& heap, const PickleValue& value) {
  SM_ASSIGN_OR_RETURN(const PickleValue call, RebuildCall(heap, value));
  const absl::Span<const PickleValue> part = heap.items(call);
  const bool v3 = kGlobals[call.size].name == absl::string_view("torch._utils._rebuild_tensor_v3");
  if (part.size() < (v3 ? 7u : 4u) || !IsCount(part[1])) {
    return absl::DataLossError("the tensor is not described as torch.save does");
  }
  TorchTensor tensor;
  SM_ASSIGN_OR_RETURN(tensor.storage, StorageOf(heap, part[0]));
  tensor.offset = part[1].integer;
  SM_ASSIGN_OR_RETURN(tensor.shape, Counts(heap, part[2], "the shape"));
  SM_ASSIGN_OR_RETURN(tensor.strides, Counts(heap, part[3], "the strides"));
  if (tensor.shape.size() != tensor.strides.size()) {
    return absl::DataLossError("shape and strides differ in length");
  }
  const TypeRow* type = v3 ? TypeOf(part[6]) : TypeOf(heap.items(heap.items(part[0])[0])[1]);
  if (type == nullptr || !type->dtype.has_value()) {
    return absl::DataLossError(absl::StrCat(
        "elements of ", type == nullptr ? "an unknown type" : type->name, " are not read"));
  }
  tensor.dtype = *type->dtype;
  SM_RETURN_IF_ERROR(CheckInside(tensor));
  return tensor;
}

absl::StatusOr<TensorView> ViewOf(const TorchTensor& tensor, absl::Span<const uint8_t> storage,
                                  ReadBudget* budget, ArchiveContents* contents) {
  SM_ASSIGN_OR_RETURN(const uint64_t size, CheckedByteSize(tensor.dtype, tensor.shape));
  TensorView view{tensor.dtype, tensor.shape, {}};
  if (size == 0) return view;
  const uint8_t* first = storage.data() + tensor.storage.byte_begin +
                         static_cast<size_t>(tensor.offset) * ByteSize(tensor.dtype);
  if (IsRowMajor(tensor)) {
    view.bytes = absl::MakeSpan(first, size);
    return view;
  }
  SM_RETURN_IF_ERROR(budget->Charge(size));
  contents->owned.emplace_back(size);
  CopyStrided(tensor, first, &contents->owned.back());
  view.bytes = absl::MakeSpan(contents->owned.back());
  return view;
}

}  // namespace slotmatch
