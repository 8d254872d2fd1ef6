#include "core/weights/pickle_machine.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr size_t kMaxStack = 1 << 16;  // picklers write long lists in batches of 1000
constexpr size_t kMaxMarks = 1000;
// With what the growth of a vector and an allocation take beyond the bytes asked for.
constexpr uint64_t kItemBytes = 2 * sizeof(PickleValue);
constexpr uint64_t kContainerBytes = 2 * sizeof(std::vector<PickleValue>) + 16;

PickleValue Scalar(PickleKind kind) {
  PickleValue value;
  value.kind = kind;
  return value;
}

}  // namespace

absl::StatusOr<uint8_t> PickleMachine::NextOpcode() {
  if (position_ == bytes_.size()) return absl::DataLossError("truncated: there is no opcode STOP");
  return bytes_[position_++];
}

absl::StatusOr<const uint8_t*> PickleMachine::Take(uint64_t size) {
  if (size > bytes_.size() - position_) {
    return absl::DataLossError(absl::StrCat("truncated: ", size, " bytes are announced, ",
                                            bytes_.size() - position_, " are left"));
  }
  const uint8_t* start = bytes_.data() + position_;
  position_ += size;
  return start;
}

absl::StatusOr<uint64_t> PickleMachine::TakeNumber(int width) {
  SM_ASSIGN_OR_RETURN(const uint8_t* start, Take(static_cast<uint64_t>(width)));
  uint64_t number = 0;
  std::memcpy(&number, start, static_cast<size_t>(width));
  return number;
}

absl::StatusOr<absl::string_view> PickleMachine::TakeLine() {
  const auto* start = reinterpret_cast<const char*>(bytes_.data()) + position_;
  const absl::string_view rest(start, bytes_.size() - position_);
  const size_t end = rest.find('\n');
  if (end == absl::string_view::npos) return absl::DataLossError("truncated: a name has no end");
  position_ += end + 1;
  return rest.substr(0, end);
}

absl::Status PickleMachine::Push(const PickleValue& value) {
  if (stack_.size() >= kMaxStack) return absl::DataLossError("the stack is too deep");
  stack_.push_back(value);
  return absl::OkStatus();
}

absl::StatusOr<PickleValue> PickleMachine::Pop() {
  if (stack_.size() <= Floor()) return absl::DataLossError("the stack is empty");
  const PickleValue value = stack_.back();
  stack_.pop_back();
  return value;
}

absl::StatusOr<std::vector<PickleValue>> PickleMachine::PopMark() {
  if (marks_.empty()) return absl::DataLossError("there is no mark");
  const size_t mark = marks_.back();
  std::vector<PickleValue> values(stack_.begin() + static_cast<ptrdiff_t>(mark), stack_.end());
  stack_.resize(mark);
  marks_.pop_back();
  return values;
}

absl::Status PickleMachine::PushNew(PickleKind kind, std::vector<PickleValue> items, uint32_t row) {
  SM_RETURN_IF_ERROR(budget_->Charge(kContainerBytes + items.size() * sizeof(PickleValue)));
  PickleValue value = Scalar(kind);
  value.size = row;
  value.index = static_cast<uint32_t>(heap_->items_.size());
  heap_->items_.push_back(std::move(items));
  return Push(value);
}

absl::Status PickleMachine::PushString(PickleKind kind, int width) {
  SM_ASSIGN_OR_RETURN(const uint64_t size, TakeNumber(width));
  if (size > UINT32_MAX) return absl::DataLossError("a text of more than 4 GiB");
  SM_ASSIGN_OR_RETURN(const uint8_t* start, Take(size));
  PickleValue value = Scalar(kind);
  value.size = static_cast<uint32_t>(size);
  value.text = reinterpret_cast<const char*>(start);
  return Push(value);
}

absl::Status PickleMachine::Refuse(int) {
  return absl::DataLossError("is not read; weight files do not need it");
}

absl::Status PickleMachine::Stop(int) {
  SM_ASSIGN_OR_RETURN(result_, Pop());
  stopped_ = true;
  return absl::OkStatus();
}

absl::Status PickleMachine::Skip(int size) { return Take(static_cast<uint64_t>(size)).status(); }

absl::Status PickleMachine::Mark(int) {
  if (marks_.size() >= kMaxMarks) return absl::DataLossError("nested too deeply");
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::Status PickleMachine::PopOne(int) { return Pop().status(); }
absl::Status PickleMachine::PopToMark(int) { return PopMark().status(); }

absl::Status PickleMachine::Duplicate(int) {
  if (stack_.size() <= Floor()) return absl::DataLossError("the stack is empty");
  return Push(PickleValue(stack_.back()));
}

absl::Status PickleMachine::PushNone(int) { return Push(Scalar(PickleKind::kNone)); }

absl::Status PickleMachine::PushBool(int truth) {
  PickleValue value = Scalar(PickleKind::kBool);
  value.truth = truth != 0;
  return Push(value);
}

absl::Status PickleMachine::PushUnsigned(int width) {
  PickleValue value = Scalar(PickleKind::kInt);
  SM_ASSIGN_OR_RETURN(const uint64_t number, TakeNumber(width));
  value.integer = static_cast<int64_t>(number);
  return Push(value);
}

absl::Status PickleMachine::PushSigned32(int) {
  PickleValue value = Scalar(PickleKind::kInt);
  SM_ASSIGN_OR_RETURN(const uint64_t number, TakeNumber(4));
  value.integer = static_cast<int32_t>(number);
  return Push(value);
}

absl::Status PickleMachine::PushLong(int width) {
  SM_RETURN_IF_ERROR(PushString(PickleKind::kBigInt, width));
  PickleValue& value = stack_.back();
  if (value.size > sizeof(int64_t)) return absl::OkStatus();
  const absl::string_view digits = value.str();
  int64_t number = !digits.empty() && (digits.back() & 0x80) != 0 ? -1 : 0;
  std::memcpy(&number, digits.data(), digits.size());
  value = Scalar(PickleKind::kInt);
  value.integer = number;
  return absl::OkStatus();
}

absl::Status PickleMachine::PushFloat(int) {
  PickleValue value = Scalar(PickleKind::kFloat);
  SM_ASSIGN_OR_RETURN(const uint8_t* start, Take(sizeof(double)));
  uint8_t little[sizeof(double)];  // the one big-endian number of the format
  std::reverse_copy(start, start + sizeof(double), little);
  std::memcpy(&value.real, little, sizeof(double));
  return Push(value);
}

absl::Status PickleMachine::PushText(int width) { return PushString(PickleKind::kText, width); }
absl::Status PickleMachine::PushBytes(int width) { return PushString(PickleKind::kBytes, width); }

absl::Status PickleMachine::PushEmpty(int kind) {
  return PushNew(static_cast<PickleKind>(kind), {});
}

absl::Status PickleMachine::PushMarked(int kind) {
  SM_ASSIGN_OR_RETURN(std::vector<PickleValue> items, PopMark());
  if (static_cast<PickleKind>(kind) == PickleKind::kDict && items.size() % 2 != 0) {
    return absl::DataLossError("a key has no value");
  }
  return PushNew(static_cast<PickleKind>(kind), std::move(items));
}

absl::Status PickleMachine::PushTuple(int size) {
  std::vector<PickleValue> items(static_cast<size_t>(size));
  for (size_t i = items.size(); i-- > 0;) {
    SM_ASSIGN_OR_RETURN(items[i], Pop());
  }
  return PushNew(PickleKind::kTuple, std::move(items));
}

absl::Status PickleMachine::Append(const std::vector<PickleValue>& added, PickleKind kind) {
  if (stack_.size() <= Floor() || stack_.back().kind != kind) {
    return absl::DataLossError("the value to add to is of another kind");
  }
  if (kind == PickleKind::kDict && added.size() % 2 != 0) {
    return absl::DataLossError("a key has no value");
  }
  SM_RETURN_IF_ERROR(budget_->Charge(added.size() * kItemBytes));
  std::vector<PickleValue>& items = heap_->items_[stack_.back().index];
  items.insert(items.end(), added.begin(), added.end());
  return absl::OkStatus();
}

absl::Status PickleMachine::AppendOne(int) {
  SM_ASSIGN_OR_RETURN(const PickleValue value, Pop());
  return Append({value}, PickleKind::kList);
}

absl::Status PickleMachine::AppendMarked(int kind) {
  SM_ASSIGN_OR_RETURN(const std::vector<PickleValue> added, PopMark());
  return Append(added, static_cast<PickleKind>(kind));
}

absl::Status PickleMachine::SetOne(int) {
  SM_ASSIGN_OR_RETURN(const PickleValue value, Pop());
  SM_ASSIGN_OR_RETURN(const PickleValue key, Pop());
  return Append({key, value}, PickleKind::kDict);
}

absl::Status PickleMachine::PutMemo(int width) {
  uint64_t index = memo_puts_;
  if (width > 0) {
    SM_ASSIGN_OR_RETURN(index, TakeNumber(width));
  }
  if (index >= bytes_.size()) {  // a pickle of n bytes fills fewer than n entries, from 0 on
    return absl::DataLossError(absl::StrCat("memo index ", index, " is out of range"));
  }
  if (stack_.size() <= Floor()) return absl::DataLossError("the stack is empty");
  if (index >= memo_.size()) {
    SM_RETURN_IF_ERROR(budget_->Charge((index + 1 - memo_.size()) * kItemBytes));
    memo_.resize(index + 1);
    memo_set_.resize(index + 1);
  }
  if (!memo_set_[index]) ++memo_puts_;
  memo_[index] = stack_.back();
  memo_set_[index] = true;
  return absl::OkStatus();
}

absl::Status PickleMachine::GetMemo(int width) {
  SM_ASSIGN_OR_RETURN(const uint64_t index, TakeNumber(width));
  if (index >= memo_.size() || !memo_set_[index]) {
    return absl::DataLossError(absl::StrCat("memo entry ", index, " is missing"));
  }
  return Push(memo_[index]);
}

}  // namespace slotmatch
