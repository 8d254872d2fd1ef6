#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/weights/read_budget.h"

namespace slotmatch {

// A reader of pickles that never runs anything. It builds a tree of inert values; a global is a row
// of the caller's table, and calling it only notes the row and the arguments.

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,
  kFloat,
  kText,
  kBytes,  // scalars
  kTuple,
  kList,
  kSet,
  kDict,        // containers
  kGlobal,      // a row of the table, by name only
  kCall,        // a row of the table, called
  kPersistent,  // a value outside of the pickle, by its id
};

struct PickleGlobal {
  const char* name;  // "module.attribute"
  // What calling it makes: kCall notes the call; kDict, kTuple and kSet are made of nothing or of
  // one list; kGlobal: it may be named only.
  PickleKind makes;
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  uint32_t size = 0;  // bytes of text; row of a global or a call
  union {
    bool truth;
    int64_t integer = 0;
    double real;
    const char* text;  // borrowed from the pickle; kBigInt: little-endian two's complement
    uint32_t index;    // of the items in the heap
  };
  absl::string_view str() const { return {text, size}; }
};

// Owns the items of containers, calls (the arguments) and persistent values (the id alone). A
// dict's items are key, value, key, value in the order written. Values may contain themselves.
class PickleHeap {
 public:
  absl::Span<const PickleValue> items(const PickleValue& value) const {
    return items_[value.index];
  }
  const std::vector<PickleValue>& persistent() const { return persistent_; }

 private:
  friend class PickleMachine;
  std::vector<std::vector<PickleValue>> items_;
  std::vector<PickleValue> persistent_;
};

struct PickleResult {
  PickleValue root;
  size_t size;  // bytes of the pickle, STOP included
};

// Reads the pickle at the start of `bytes`, which the values borrow from. Opcodes of protocols 2 to
// 5 that hold data. kDataLoss names opcode, position and global: truncated, an opcode or global
// that is not read, a stack used wrongly, a memo entry that is missing, more memory than `budget`.
absl::StatusOr<PickleResult> ReadPickle(absl::Span<const uint8_t> bytes,
                                        absl::Span<const PickleGlobal> globals, ReadBudget* budget,
                                        PickleHeap* heap);

}  // namespace slotmatch
