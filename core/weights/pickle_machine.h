#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/weights/pickle.h"

namespace slotmatch {

// The stack machine of pickle.cc's opcode table: one method for each group of opcodes, whose
// argument is the row's. Failures name neither opcode nor position, which the caller adds.
class PickleMachine {
 public:
  PickleMachine(absl::Span<const uint8_t> bytes, absl::Span<const PickleGlobal> globals,
                ReadBudget* budget, PickleHeap* heap)
      : bytes_(bytes), globals_(globals), budget_(budget), heap_(heap) {}

  size_t position() const { return position_; }
  bool stopped() const { return stopped_; }
  const PickleValue& result() const { return result_; }
  absl::StatusOr<uint8_t> NextOpcode();

  absl::Status Refuse(int);
  absl::Status Stop(int);
  absl::Status Skip(int size);  // protocol and frame: hints of no consequence
  absl::Status Mark(int);
  absl::Status PopOne(int);
  absl::Status PopToMark(int);
  absl::Status Duplicate(int);
  absl::Status PushNone(int);
  absl::Status PushBool(int truth);
  absl::Status PushUnsigned(int width);
  absl::Status PushSigned32(int);
  absl::Status PushLong(int width);  // width of its length
  absl::Status PushFloat(int);
  absl::Status PushText(int width);   // width of its length
  absl::Status PushBytes(int width);  // width of its length
  absl::Status PushEmpty(int kind);
  absl::Status PushMarked(int kind);
  absl::Status PushTuple(int size);
  absl::Status AppendOne(int);
  absl::Status AppendMarked(int kind);
  absl::Status SetOne(int);
  absl::Status PutMemo(int width);  // width of its index; 0: the next index
  absl::Status GetMemo(int width);
  absl::Status LoadGlobal(int);
  absl::Status LoadStackGlobal(int);
  absl::Status LoadPersistent(int);
  absl::Status Call(int);
  absl::Status Build(int);

 private:
  absl::StatusOr<const uint8_t*> Take(uint64_t size);
  absl::StatusOr<uint64_t> TakeNumber(int width);
  absl::StatusOr<absl::string_view> TakeLine();
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  absl::Status Push(const PickleValue& value);
  absl::StatusOr<PickleValue> Pop();
  absl::StatusOr<std::vector<PickleValue>> PopMark();
  absl::Status PushNew(PickleKind kind, std::vector<PickleValue> items, uint32_t row = 0);
  absl::Status PushString(PickleKind kind, int width);
  absl::Status PushGlobal(absl::string_view module, absl::string_view attribute);
  absl::Status Append(const std::vector<PickleValue>& added, PickleKind kind);
  absl::StatusOr<std::vector<PickleValue>> ItemsOf(PickleKind made,
                                                   absl::Span<const PickleValue> arguments) const;

  const absl::Span<const uint8_t> bytes_;
  const absl::Span<const PickleGlobal> globals_;
  ReadBudget* const budget_;
  PickleHeap* const heap_;
  size_t position_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::vector<PickleValue> memo_;
  std::vector<bool> memo_set_;
  size_t memo_puts_ = 0;
  PickleValue result_;
  bool stopped_ = false;
};

}  // namespace slotmatch
