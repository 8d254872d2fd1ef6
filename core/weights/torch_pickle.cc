#include "core/weights/torch_pickle.h"

#include <utf8.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/shown_name.h"
#include "core/weights/torch_tensor.h"

namespace slotmatch {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxPickleBytes = uint64_t{64} << 20;  // 100 000 tensors take about 15 MB
constexpr uint64_t kStructureFactor = 24;
constexpr uint64_t kNameFactor = 24;
constexpr uint64_t kCopyFactor = 4;
constexpr uint64_t kEntryBytes = 256;  // of a map's node, a shape and what is around them
constexpr int kMaxDepth = 64;
constexpr size_t kMaxTextBytes = 4096;

absl::StatusOr<std::string> KeyText(const PickleValue& key) {
  switch (key.kind) {
    case PickleKind::kText:
      if (!utf8::is_valid(key.text, key.text + key.size)) {
        return absl::DataLossError("a key is not UTF-8");
      }
      return std::string(key.str());
    case PickleKind::kInt:
      return absl::StrCat(key.integer);
    default:
      return absl::DataLossError("a key is neither a text nor an integer");
  }
}

// A scalar as JSON; nullopt for other values, for bytes and for texts that are not UTF-8.
std::optional<json> ScalarOf(const PickleValue& value) {
  switch (value.kind) {
    case PickleKind::kNone:
      return json(nullptr);
    case PickleKind::kBool:
      return json(value.truth);
    case PickleKind::kInt:
      return json(value.integer);
    case PickleKind::kFloat:
      return json(value.real);
    case PickleKind::kGlobal:
      return json(kTorchGlobals[value.size].name);
    case PickleKind::kText:
      if (value.size > kMaxTextBytes || !utf8::is_valid(value.text, value.text + value.size)) break;
      return json(std::string(value.str()));
    default:
      break;
  }
  return std::nullopt;
}

bool IsContainer(const PickleValue& value) { return value.kind >= PickleKind::kTuple; }

class Flattener {
 public:
  Flattener(const PickleHeap& heap, const StorageBytes& storage_bytes, ReadBudget* names,
            ReadBudget* copies, ArchiveContents* contents)
      : heap_(heap),
        storage_bytes_(storage_bytes),
        names_(names),
        copies_(copies),
        contents_(contents) {}

  absl::Status Visit(const PickleValue& value, const std::string& name, int depth) {
    if (depth > kMaxDepth) {
      return absl::DataLossError(
          absl::StrCat(ShownName(name), " is nested deeper than ", kMaxDepth, " levels"));
    }
    switch (value.kind) {
      case PickleKind::kDict:
        return VisitDict(value, name, depth);
      case PickleKind::kList:
      case PickleKind::kTuple:
      case PickleKind::kSet:
        return VisitList(value, name, depth);
      case PickleKind::kCall: {
        const absl::Status added = AddTensor(value, name.empty() ? "tensor" : name);
        return added.ok() ? added : Annotate(added, "tensor " + ShownName(name));
      }
      case PickleKind::kPersistent:
        return absl::DataLossError(ShownName(name) + " is a storage outside of a tensor");
      default:
        return AddScalar(value, name);
    }
  }

 private:
  // Charges before the name is made: names can grow with the square of the file.
  absl::StatusOr<std::string> Join(const std::string& name, const std::string& key) {
    SM_RETURN_IF_ERROR(names_->Charge(name.size() + key.size() + 1));
    return name.empty() ? key : absl::StrCat(name, ".", key);
  }

  absl::Status VisitDict(const PickleValue& dict, const std::string& name, int depth) {
    const absl::Span<const PickleValue> items = heap_.items(dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const absl::StatusOr<std::string> key = KeyText(items[i]);
      if (!key.ok()) return Annotate(key.status(), ShownName(name));
      SM_ASSIGN_OR_RETURN(const std::string child, Join(name, *key));
      SM_RETURN_IF_ERROR(Visit(items[i + 1], child, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status VisitList(const PickleValue& list, const std::string& name, int depth) {
    const absl::Span<const PickleValue> items = heap_.items(list);
    SM_RETURN_IF_ERROR(names_->Charge(items.size()));
    if (std::none_of(items.begin(), items.end(), &IsContainer)) return AddScalars(items, name);
    for (size_t i = 0; i < items.size(); ++i) {
      SM_ASSIGN_OR_RETURN(const std::string child, Join(name, absl::StrCat(i)));
      SM_RETURN_IF_ERROR(Visit(items[i], child, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status AddTensor(const PickleValue& call, const std::string& name) {
    SM_RETURN_IF_ERROR(names_->Charge(kEntryBytes));
    SM_ASSIGN_OR_RETURN(const TorchTensor tensor, TensorOf(heap_, call));
    SM_ASSIGN_OR_RETURN(const absl::Span<const uint8_t> storage, storage_bytes_(tensor.storage));
    if (storage.size() != tensor.storage.byte_size) {
      return absl::DataLossError(absl::StrCat("storage '", absl::CHexEscape(tensor.storage.key),
                                              "' has ", storage.size(), " bytes, its tensor says ",
                                              tensor.storage.byte_size));
    }
    SM_ASSIGN_OR_RETURN(TensorView view, ViewOf(tensor, storage, copies_, contents_));
    return contents_->tensors.emplace(name, std::move(view)).second
               ? absl::OkStatus()
               : absl::DataLossError("stands in the file twice");
  }

  absl::Status AddScalar(const PickleValue& value, const std::string& name) {
    const std::optional<json> scalar = ScalarOf(value);
    if (!scalar.has_value()) return absl::OkStatus();
    return AddText(name, scalar->is_string() ? scalar->get<std::string>() : scalar->dump());
  }

  absl::Status AddScalars(absl::Span<const PickleValue> items, const std::string& name) {
    std::string text = "[";
    for (const PickleValue& item : items) {
      const std::optional<json> scalar = ScalarOf(item);
      if (!scalar.has_value()) return absl::OkStatus();
      absl::StrAppend(&text, text.size() == 1 ? "" : ",", scalar->dump());
      if (text.size() > kMaxTextBytes) return names_->Charge(text.size());
    }
    return AddText(name, text + "]");
  }

  absl::Status AddText(const std::string& name, std::string text) {
    SM_RETURN_IF_ERROR(names_->Charge(kEntryBytes + text.size()));
    if (contents_->metadata.emplace(name, std::move(text)).second) return absl::OkStatus();
    return absl::DataLossError(ShownName(name) + " stands in the file twice");
  }

  const PickleHeap& heap_;
  const StorageBytes& storage_bytes_;
  ReadBudget* const names_;
  ReadBudget* const copies_;
  ArchiveContents* const contents_;
};

}  // namespace

absl::StatusOr<TorchPickle> TorchPickle::Read(absl::Span<const uint8_t> bytes) {
  const absl::Span<const uint8_t> readable = bytes.subspan(0, kMaxPickleBytes);
  ReadBudget budget(readable.size(), kStructureFactor);
  TorchPickle pickle;
  SM_ASSIGN_OR_RETURN(pickle.result_, ReadPickle(readable, kTorchGlobals, &budget, &pickle.heap_));
  return pickle;
}

absl::StatusOr<std::vector<TorchStorage>> TorchPickle::Storages() const {
  std::vector<TorchStorage> storages;
  std::map<absl::string_view, uint64_t> sizes;
  for (const PickleValue& value : heap_.persistent()) {
    SM_ASSIGN_OR_RETURN(const TorchStorage storage, StorageOf(heap_, value));
    const auto [known, added] = sizes.emplace(storage.key, storage.byte_size);
    if (added) storages.push_back(storage);
    if (known->second != storage.byte_size) {
      return absl::DataLossError(absl::StrCat("storage '", absl::CHexEscape(storage.key),
                                              "' is described with two sizes"));
    }
  }
  return storages;
}

absl::Status TorchPickle::Flatten(const StorageBytes& storage_bytes, uint64_t file_size,
                                  ArchiveContents* contents) const {
  ReadBudget names(size(), kNameFactor);
  ReadBudget copies(file_size, kCopyFactor);
  return Flattener(heap_, storage_bytes, &names, &copies, contents).Visit(root(), "", 0);
}

}  // namespace slotmatch
