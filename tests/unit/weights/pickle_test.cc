#include "core/weights/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/weights/torch_bytes.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::AllOf;

constexpr PickleGlobal kGlobals[] = {{"a.noted", PickleKind::kCall},
                                     {"a.only_named", PickleKind::kGlobal},
                                     {"a.Dict", PickleKind::kDict},
                                     {"a.Tuple", PickleKind::kTuple},
                                     {"a.Set", PickleKind::kSet}};

class PickleTest : public testing::Test {
 protected:
  absl::StatusOr<PickleResult> Read(const std::string& bytes) {
    bytes_ = bytes;
    heap_ = PickleHeap();
    ReadBudget budget(bytes.size(), 24);
    return ReadPickle(
        absl::MakeSpan(reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()), kGlobals,
        &budget, &heap_);
  }
  PickleValue Root(const std::string& bytes) {
    const auto result = Read(bytes);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->root : PickleValue();
  }
  void ExpectRefused(const std::string& bytes, const char* opcode, const char* why) {
    EXPECT_THAT(Read(bytes), AllOf(FailsWith(StatusCode::kDataLoss, opcode),
                                   FailsWith(StatusCode::kDataLoss, why)));
  }
  std::string bytes_;
  PickleHeap heap_;
};

TEST_F(PickleTest, ReadsScalars) {
  const auto integer = [&](const std::string& bytes) {
    const PickleValue value = Root(bytes + ".");
    EXPECT_EQ(value.kind, PickleKind::kInt);
    return value.integer;
  };
  EXPECT_EQ(integer("K\xff"), 255);
  EXPECT_EQ(integer("M\xff\xff"), 65535);
  EXPECT_EQ(integer("J\xfe\xff\xff\xff"), -2);
  EXPECT_EQ(integer(std::string("\x8a\0", 2)), 0);
  EXPECT_EQ(integer("\x8a\x01\xff"), -1);
  EXPECT_EQ(integer(std::string("\x8a\x02\xff\0", 4)), 255);
  EXPECT_EQ(integer(PickledInt(INT64_MIN)), INT64_MIN);
  EXPECT_EQ(Root("\x8a\x09"
                 "123456789.")
                .kind,
            PickleKind::kBigInt);
  EXPECT_EQ(Root(std::string("G\xbf\xf8\0\0\0\0\0\0.", 10)).real, -1.5);
  EXPECT_EQ(Root("N.").kind, PickleKind::kNone);
  EXPECT_TRUE(Root("\x88.").truth);
  EXPECT_FALSE(Root("\x89.").truth);
  for (const std::string& text : {PickledText("hi"), std::string("U\2hi"), std::string("\x8c\2hi"),
                                  std::string("\x8d\2\0\0\0\0\0\0\0hi", 11)}) {
    const PickleValue value = Root(text + ".");
    EXPECT_EQ(value.kind, PickleKind::kText);
    EXPECT_EQ(value.str(), "hi");
  }
  EXPECT_EQ(Root("C\2hi.").kind, PickleKind::kBytes);
}

TEST_F(PickleTest, ReadsContainersOfEveryForm) {
  const auto size = [&](const std::string& bytes, PickleKind kind) {
    const PickleValue value = Root(bytes + ".");
    EXPECT_EQ(value.kind, kind);
    return heap_.items(value).size();
  };
  EXPECT_EQ(size(")", PickleKind::kTuple), 0u);
  EXPECT_EQ(size("K\1\x85", PickleKind::kTuple), 1u);
  EXPECT_EQ(size("K\1K\2\x86", PickleKind::kTuple), 2u);
  EXPECT_EQ(size("K\1K\2K\3\x87", PickleKind::kTuple), 3u);
  EXPECT_EQ(size("(K\1K\2K\3K\4t", PickleKind::kTuple), 4u);
  EXPECT_EQ(size("]K\1aK\2a(K\3K\4e", PickleKind::kList), 4u);
  EXPECT_EQ(size("(K\1l", PickleKind::kList), 1u);
  EXPECT_EQ(size("}K\1K\2s(K\3K\4u", PickleKind::kDict), 4u);
  EXPECT_EQ(size("(K\1K\2d", PickleKind::kDict), 2u);
  EXPECT_EQ(size("\x8f(K\1\x90", PickleKind::kSet), 1u);
  EXPECT_EQ(size("(K\1\x91", PickleKind::kSet), 1u);
}

TEST_F(PickleTest, CallsOnlyNoteOrMakeContainers) {
  const PickleValue noted = Root(Pickle(PickledCall("a", "noted", {PickledInt(7)})));
  EXPECT_EQ(noted.kind, PickleKind::kCall);
  EXPECT_STREQ(kGlobals[noted.size].name, "a.noted");
  EXPECT_EQ(heap_.items(noted)[0].integer, 7);
  const std::string pairs = PickledList({PickledTuple({PickledText("k"), PickledInt(1)}),
                                         PickledList({PickledText("l"), PickledInt(2)})});
  const PickleValue dict = Root(Pickle(PickledCall("a", "Dict", {pairs})));
  EXPECT_EQ(dict.kind, PickleKind::kDict);
  EXPECT_EQ(heap_.items(dict)[2].str(), "l");
  EXPECT_EQ(Root(Pickle(PickledCall("a", "Dict", {}))).kind, PickleKind::kDict);
  EXPECT_EQ(Root(Pickle(PickledCall("a", "Set", {"]"}))).kind, PickleKind::kSet);
  EXPECT_EQ(Root(Pickle(PickledCall("a", "Tuple", {")"}))).kind, PickleKind::kTuple);
  EXPECT_EQ(Root("\x8c\1a\x8c\5noted\x93)\x81.").kind, PickleKind::kCall);
  EXPECT_EQ(Root("K\1Q.").kind, PickleKind::kPersistent);
  EXPECT_EQ(heap_.persistent().size(), 1u);
  EXPECT_EQ(Root("}}b.").kind, PickleKind::kDict);  // attributes of a dict: dropped
}

TEST_F(PickleTest, MemoKeepsIdentity) {
  EXPECT_EQ(Root("K\5\x94K\6\x94"
                 "h\1.")
                .integer,
            6);
  const PickleValue root = Root("](}q\1h\1K\1K\2se.");
  ASSERT_EQ(heap_.items(root).size(), 2u);
  EXPECT_EQ(heap_.items(root)[0].index, heap_.items(root)[1].index);
  EXPECT_EQ(heap_.items(heap_.items(root)[0]).size(), 2u);
}

TEST_F(PickleTest, AnythingElseIsRefusedByOpcodeAndGlobal) {
  ExpectRefused(Pickle(PickledCall("os", "system", {PickledText("id")})), "opcode GLOBAL at 2",
                "'os.system'; only tensors, storages, OrderedDict and plain containers are read");
  ExpectRefused("\x8c\2os\x8c\6system\x93)R.", "opcode STACK_GLOBAL", "'os.system'");
  ExpectRefused("ca\nnot\x1b[2J\n.", "opcode GLOBAL", "'a.not\\x1b[2J'");
  ExpectRefused("ca.noted\n\n.", "opcode GLOBAL", "'a.noted.'");
  ExpectRefused(Pickle(PickledCall("a", "only_named", {})), "opcode REDUCE", "'a.only_named'");
  ExpectRefused("K\1)R.", "opcode REDUCE", "not a global");
  ExpectRefused("(K\1ca\nnoted\no.", "opcode OBJ", "is not read");
  ExpectRefused("(ia\nnoted\n.", "opcode INST", "is not read");
  ExpectRefused("\x82\1.", "opcode EXT1", "is not read");
  ExpectRefused("ca\nnoted\n)}\x92.", "opcode NEWOBJ_EX", "is not read");
  ExpectRefused("I1\n.", "opcode INT", "is not read");
  ExpectRefused("\xff.", "0xff at 0", "is no opcode");
  ExpectRefused("K\1K\2b.", "opcode BUILD", "plain value");
  ExpectRefused("ca\nnoted\n}b.", "opcode BUILD", "a global");
  ExpectRefused(Pickle(PickledCall("a", "Dict", {PickledInt(1)})), "opcode REDUCE", "one list");
  ExpectRefused(Pickle(PickledCall("a", "Dict", {PickledList({")"})})), "opcode REDUCE", "pairs");
  ExpectRefused(Pickle(PickledCall("a", "Set", {PickledInt(1)})), "opcode REDUCE", "a.Set");
}

TEST_F(PickleTest, WrongUseOfStackAndMemoIsRefused) {
  ExpectRefused(".", "opcode STOP", "empty");
  ExpectRefused("0.", "opcode POP", "empty");
  ExpectRefused("2.", "opcode DUP", "empty");
  ExpectRefused("t.", "opcode TUPLE", "no mark");
  ExpectRefused("K\1(.", "opcode STOP", "empty");
  ExpectRefused("K\1(0.", "opcode POP", "empty");
  ExpectRefused("K\1\x86.", "opcode TUPLE2", "empty");
  ExpectRefused("K\1K\2a.", "opcode APPEND", "another kind");
  ExpectRefused("]K\1K\2s.", "opcode SETITEM", "another kind");
  ExpectRefused("}(K\1u.", "opcode SETITEMS", "no value");
  ExpectRefused("(K\1d.", "opcode DICT", "no value");
  ExpectRefused("h\7.", "opcode BINGET", "memo entry 7 is missing");
  ExpectRefused("Nq\2h\1.", "opcode BINGET", "memo entry 1 is missing");
  ExpectRefused("q\1.", "opcode BINPUT", "empty");
  ExpectRefused("Nr\xff\xff\xff\xff.", "opcode LONG_BINPUT", "out of range");
  ExpectRefused("K\1\x94K\2K\3\x93.", "opcode STACK_GLOBAL", "not a text");
}

TEST_F(PickleTest, LimitsHold) {
  ExpectRefused(std::string(100'000, 'N') + ".", "opcode NONE", "stack is too deep");
  ExpectRefused(std::string(2'000, '('), "opcode MARK", "nested too deeply");
  ExpectRefused(std::string(1'000'000, ']'), "opcode EMPTY_LIST", "stack is too deep");
  std::string lists;
  for (int i = 0; i < 200'000; ++i) lists += "]0";
  ExpectRefused(lists + "N.", "opcode EMPTY_LIST", "bytes of memory");
  ExpectRefused(
      "X\xff\xff\xff\xff"
      "abc.",
      "opcode BINUNICODE", "truncated");
  ExpectRefused(
      "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
      "abc.",
      "opcode BINUNICODE8", "4 GiB");
}

TEST_F(PickleTest, EveryTruncationIsRefused) {
  const std::string whole = Pickle(PickledDict(
      {{"t", PickledCall("a", "noted", {PickledInt(1), PickledText("x")})}, {"l", "]"}}));
  const auto result = Read(whole + "behind");
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->size, whole.size());
  for (size_t size = 0; size < whole.size(); ++size) {
    ExpectRefused(whole.substr(0, size), "pickle: ", "");
  }
}

}  // namespace
}  // namespace slotmatch
