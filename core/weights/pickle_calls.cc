#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/pickle_machine.h"
#include "core/weights/shown_name.h"

// The opcodes that name globals, and those that would call them or change what they made.

namespace slotmatch {
namespace {

bool IsSequence(const PickleValue& value) {
  return value.kind == PickleKind::kList || value.kind == PickleKind::kTuple;
}

bool IsNamed(absl::string_view name, absl::string_view module, absl::string_view attribute) {
  return name.size() == module.size() + 1 + attribute.size() && name[module.size()] == '.' &&
         name.substr(0, module.size()) == module && name.substr(module.size() + 1) == attribute;
}

}  // namespace

absl::Status PickleMachine::PushGlobal(absl::string_view module, absl::string_view attribute) {
  const auto row = std::find_if(globals_.begin(), globals_.end(), [&](const PickleGlobal& global) {
    return IsNamed(global.name, module, attribute);
  });
  if (row == globals_.end()) {
    return absl::DataLossError(
        absl::StrCat("would load ", ShownName(absl::StrCat(module, ".", attribute)),
                     "; only tensors, storages, OrderedDict and plain containers are read"));
  }
  PickleValue value;
  value.kind = PickleKind::kGlobal;
  value.size = static_cast<uint32_t>(row - globals_.begin());
  return Push(value);
}

absl::Status PickleMachine::LoadGlobal(int) {
  SM_ASSIGN_OR_RETURN(const absl::string_view module, TakeLine());
  SM_ASSIGN_OR_RETURN(const absl::string_view attribute, TakeLine());
  return PushGlobal(module, attribute);
}

absl::Status PickleMachine::LoadStackGlobal(int) {
  SM_ASSIGN_OR_RETURN(const PickleValue attribute, Pop());
  SM_ASSIGN_OR_RETURN(const PickleValue module, Pop());
  if (attribute.kind != PickleKind::kText || module.kind != PickleKind::kText) {
    return absl::DataLossError("a global's name is not a text");
  }
  return PushGlobal(module.str(), attribute.str());
}

absl::Status PickleMachine::LoadPersistent(int) {
  SM_ASSIGN_OR_RETURN(const PickleValue id, Pop());
  SM_RETURN_IF_ERROR(budget_->Charge(2 * sizeof(PickleValue)));
  SM_RETURN_IF_ERROR(PushNew(PickleKind::kPersistent, {id}));
  heap_->persistent_.push_back(stack_.back());
  return absl::OkStatus();
}

// The items of a container that is made of nothing or of one list: for a dict, as Python 2 wrote an
// OrderedDict, a list of pairs.
absl::StatusOr<std::vector<PickleValue>> PickleMachine::ItemsOf(
    PickleKind made, absl::Span<const PickleValue> arguments) const {
  std::vector<PickleValue> items;
  if (arguments.empty()) return items;
  if (arguments.size() > 1 || !IsSequence(arguments[0])) {
    return absl::DataLossError("would make a container of something else than one list");
  }
  const absl::Span<const PickleValue> listed = heap_->items(arguments[0]);
  if (made != PickleKind::kDict) return std::vector<PickleValue>(listed.begin(), listed.end());
  for (const PickleValue& pair : listed) {
    if (!IsSequence(pair) || heap_->items(pair).size() != 2) {
      return absl::DataLossError("would make a dict of something else than pairs");
    }
    const absl::Span<const PickleValue> both = heap_->items(pair);
    items.insert(items.end(), both.begin(), both.end());
  }
  return items;
}

absl::Status PickleMachine::Call(int) {
  SM_ASSIGN_OR_RETURN(const PickleValue arguments, Pop());
  SM_ASSIGN_OR_RETURN(const PickleValue callee, Pop());
  if (arguments.kind != PickleKind::kTuple || callee.kind != PickleKind::kGlobal) {
    return absl::DataLossError("would call a value that is not a global");
  }
  const PickleGlobal& global = globals_[callee.size];
  const absl::Span<const PickleValue> items = heap_->items(arguments);
  if (global.makes == PickleKind::kGlobal) {
    return absl::DataLossError(absl::StrCat("would call '", global.name, "'"));
  }
  if (global.makes == PickleKind::kCall) {
    return PushNew(PickleKind::kCall, {items.begin(), items.end()}, callee.size);
  }
  absl::StatusOr<std::vector<PickleValue>> members = ItemsOf(global.makes, items);
  if (!members.ok()) return Annotate(members.status(), global.name);
  return PushNew(global.makes, *std::move(members));
}

// The state would become attributes, which inert values do not have: a state_dict's _metadata.
absl::Status PickleMachine::Build(int) {
  SM_RETURN_IF_ERROR(Pop().status());
  if (stack_.size() <= Floor() || stack_.back().kind < PickleKind::kTuple ||
      stack_.back().kind == PickleKind::kGlobal) {
    return absl::DataLossError("would set attributes of a plain value or a global");
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
