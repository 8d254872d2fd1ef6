#include "core/weights/pickle.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/weights/pickle_machine.h"

namespace slotmatch {
namespace {

struct Opcode {
  uint8_t code;
  const char* name;
  absl::Status (PickleMachine::*run)(int) = &PickleMachine::Refuse;
  int argument = 0;
};

constexpr int kList = static_cast<int>(PickleKind::kList);
constexpr int kTuple = static_cast<int>(PickleKind::kTuple);
constexpr int kDict = static_cast<int>(PickleKind::kDict);
constexpr int kSet = static_cast<int>(PickleKind::kSet);

// Every opcode up to protocol 5. Those without a method are refused by name: the text forms of
// protocol 0 and what makes objects of arbitrary classes.
using Machine = PickleMachine;
constexpr Opcode kOpcodes[] = {
    {0x80, "PROTO", &Machine::Skip, 1},
    {0x95, "FRAME", &Machine::Skip, 8},
    {'.', "STOP", &Machine::Stop},
    {'(', "MARK", &Machine::Mark},
    {'0', "POP", &Machine::PopOne},
    {'1', "POP_MARK", &Machine::PopToMark},
    {'2', "DUP", &Machine::Duplicate},
    {'N', "NONE", &Machine::PushNone},
    {0x88, "NEWTRUE", &Machine::PushBool, 1},
    {0x89, "NEWFALSE", &Machine::PushBool, 0},
    {'K', "BININT1", &Machine::PushUnsigned, 1},
    {'M', "BININT2", &Machine::PushUnsigned, 2},
    {'J', "BININT", &Machine::PushSigned32},
    {0x8a, "LONG1", &Machine::PushLong, 1},
    {0x8b, "LONG4", &Machine::PushLong, 4},
    {'G', "BINFLOAT", &Machine::PushFloat},
    {'U', "SHORT_BINSTRING", &Machine::PushText, 1},
    {'T', "BINSTRING", &Machine::PushText, 4},
    {0x8c, "SHORT_BINUNICODE", &Machine::PushText, 1},
    {'X', "BINUNICODE", &Machine::PushText, 4},
    {0x8d, "BINUNICODE8", &Machine::PushText, 8},
    {'C', "SHORT_BINBYTES", &Machine::PushBytes, 1},
    {'B', "BINBYTES", &Machine::PushBytes, 4},
    {0x8e, "BINBYTES8", &Machine::PushBytes, 8},
    {0x96, "BYTEARRAY8", &Machine::PushBytes, 8},
    {']', "EMPTY_LIST", &Machine::PushEmpty, kList},
    {')', "EMPTY_TUPLE", &Machine::PushEmpty, kTuple},
    {'}', "EMPTY_DICT", &Machine::PushEmpty, kDict},
    {0x8f, "EMPTY_SET", &Machine::PushEmpty, kSet},
    {'l', "LIST", &Machine::PushMarked, kList},
    {'t', "TUPLE", &Machine::PushMarked, kTuple},
    {'d', "DICT", &Machine::PushMarked, kDict},
    {0x91, "FROZENSET", &Machine::PushMarked, kSet},
    {0x85, "TUPLE1", &Machine::PushTuple, 1},
    {0x86, "TUPLE2", &Machine::PushTuple, 2},
    {0x87, "TUPLE3", &Machine::PushTuple, 3},
    {'a', "APPEND", &Machine::AppendOne},
    {'e', "APPENDS", &Machine::AppendMarked, kList},
    {0x90, "ADDITEMS", &Machine::AppendMarked, kSet},
    {'s', "SETITEM", &Machine::SetOne},
    {'u', "SETITEMS", &Machine::AppendMarked, kDict},
    {'q', "BINPUT", &Machine::PutMemo, 1},
    {'r', "LONG_BINPUT", &Machine::PutMemo, 4},
    {0x94, "MEMOIZE", &Machine::PutMemo, 0},
    {'h', "BINGET", &Machine::GetMemo, 1},
    {'j', "LONG_BINGET", &Machine::GetMemo, 4},
    {'c', "GLOBAL", &Machine::LoadGlobal},
    {0x93, "STACK_GLOBAL", &Machine::LoadStackGlobal},
    {'Q', "BINPERSID", &Machine::LoadPersistent},
    {'R', "REDUCE", &Machine::Call},
    {0x81, "NEWOBJ", &Machine::Call},
    {'b', "BUILD", &Machine::Build},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'P', "PERSID"},
    {'S', "STRING"},
    {'V', "UNICODE"},
    {'g', "GET"},
    {'p', "PUT"},
    {'i', "INST"},
    {'o', "OBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x92, "NEWOBJ_EX"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

using OpcodeIndex = std::array<const Opcode*, 256>;

constexpr OpcodeIndex MakeIndex() {
  OpcodeIndex index{};
  for (const Opcode& opcode : kOpcodes) index[opcode.code] = &opcode;
  return index;
}
constexpr OpcodeIndex kIndex = MakeIndex();

absl::Status Step(PickleMachine* machine) {
  const size_t start = machine->position();
  SM_ASSIGN_OR_RETURN(const uint8_t code, machine->NextOpcode());
  const Opcode* opcode = kIndex[code];
  if (opcode == nullptr) {
    return absl::DataLossError(
        absl::StrCat("byte 0x", absl::Hex(code), " at ", start, " is no opcode"));
  }
  const absl::Status status = (machine->*opcode->run)(opcode->argument);
  if (status.ok()) return status;
  return Annotate(status, absl::StrCat("opcode ", opcode->name, " at ", start));
}

}  // namespace

absl::StatusOr<PickleResult> ReadPickle(absl::Span<const uint8_t> bytes,
                                        absl::Span<const PickleGlobal> globals, ReadBudget* budget,
                                        PickleHeap* heap) {
  PickleMachine machine(bytes, globals, budget, heap);
  while (!machine.stopped()) {
    const absl::Status status = Step(&machine);
    if (!status.ok()) return Annotate(status, "pickle");
  }
  return PickleResult{machine.result(), machine.position()};
}

}  // namespace slotmatch
