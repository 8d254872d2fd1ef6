#include "core/base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/version.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A program with one option of every kind.
class OptionTableTest : public testing::Test {
 protected:
  OptionTableTest() : table_("prog", "Does things.") {
    table_.Text("name", "NAME", "a name", &name_);
    table_.Repeated("set", "PATH=VALUE", "a setting", &settings_);
    table_.Integer("count", "N", "a count", &count_);
    table_.Number("rate", "X", "a rate", &rate_);
    table_.Flag("fast", "be fast", &fast_);
  }

  absl::StatusOr<std::vector<std::string>> Parse(std::vector<std::string> words, size_t most = 0) {
    words.insert(words.begin(), "prog");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return table_.Parse(static_cast<int>(words.size()), argv.data(), most);
  }

  std::string name_ = "unset";
  std::vector<std::string> settings_;
  int64_t count_ = 3;
  double rate_ = 0.5;
  bool fast_ = false;
  OptionTable table_;
};

TEST_F(OptionTableTest, TakesValuesInBothForms) {
  ASSERT_THAT(Parse({"--name", "a", "--count=-7", "--rate", "2.5", "--fast"}), IsOk());
  EXPECT_EQ(name_, "a");
  EXPECT_EQ(count_, -7);
  EXPECT_EQ(rate_, 2.5);
  EXPECT_TRUE(fast_);
}

TEST_F(OptionTableTest, KeepsDefaultsWhenNothingIsGiven) {
  ASSERT_THAT(Parse({}).value(), IsEmpty());
  EXPECT_EQ(name_, "unset");
  EXPECT_EQ(count_, 3);
  EXPECT_FALSE(fast_);
}

TEST_F(OptionTableTest, RepeatedOptionsKeepTheirOrder) {
  ASSERT_THAT(Parse({"--set", "b=1", "--set=a=2", "--set", ""}), IsOk());
  EXPECT_THAT(settings_, ElementsAre("b=1", "a=2", ""));
}

TEST_F(OptionTableTest, LeavesPositionalArguments) {
  EXPECT_THAT(Parse({"one", "--fast", "two", "--", "--name"}, 3).value(),
              ElementsAre("one", "two", "--name"));
  EXPECT_TRUE(fast_);
}

TEST_F(OptionTableTest, ParsesASecondTimeFromTheStart) {
  ASSERT_THAT(Parse({"--name", "a", "x"}, 1), IsOk());
  EXPECT_THAT(Parse({"--name", "b", "y"}, OptionTable::kAnyNumber).value(), ElementsAre("y"));
  EXPECT_EQ(name_, "b");
}

TEST_F(OptionTableTest, UnknownOptionsAreNamed) {
  EXPECT_THAT(Parse({"--nmae", "a"}), FailsWith(StatusCode::kInvalidArgument, "--nmae"));
  EXPECT_THAT(Parse({"--nmae=a"}), FailsWith(StatusCode::kInvalidArgument, "--nmae"));
  EXPECT_THAT(Parse({"--fast", "-x"}), FailsWith(StatusCode::kInvalidArgument, "-x"));
  EXPECT_THAT(Parse({"-xyz"}), FailsWith(StatusCode::kInvalidArgument, "-x"));
}

TEST_F(OptionTableTest, MissingValueNamesTheOption) {
  EXPECT_THAT(Parse({"--fast", "--name"}), FailsWith(StatusCode::kInvalidArgument, "--name"));
}

TEST_F(OptionTableTest, WrongNumbersNameOptionAndText) {
  EXPECT_THAT(Parse({"--count", "many"}), FailsWith(StatusCode::kInvalidArgument, "--count"));
  EXPECT_THAT(Parse({"--count", "1.5"}), FailsWith(StatusCode::kInvalidArgument, "'1.5'"));
  EXPECT_THAT(Parse({"--rate", "x"}), FailsWith(StatusCode::kInvalidArgument, "--rate"));
}

TEST_F(OptionTableTest, TheFirstArgumentTooManyIsNamed) {
  EXPECT_THAT(Parse({"one", "two", "three"}, 1),
              FailsWith(StatusCode::kInvalidArgument, "unexpected argument 'two'"));
  EXPECT_THAT(Parse({"one"}, 1), IsOk());
}

TEST_F(OptionTableTest, NoAnswerUnlessAsked) {
  ASSERT_THAT(Parse({"--fast"}), IsOk());
  EXPECT_THAT(table_.Answer(), IsEmpty());
}

TEST_F(OptionTableTest, VersionIsTheProgramsWithItsLibraries) {
  ASSERT_THAT(Parse({"--version"}), IsOk());
  EXPECT_EQ(table_.Answer("Library 1.2\n"), VersionText("prog", "Library 1.2\n"));
}

TEST_F(OptionTableTest, HelpIsAnsweredWhateverElseIsGiven) {
  ASSERT_THAT(Parse({"--help", "stray"}), IsOk());
  EXPECT_THAT(table_.Answer(), HasSubstr("Does things."));
}

TEST_F(OptionTableTest, HelpListsEveryOptionWithItsDefault) {
  table_.Epilog("More at the end.\n");
  ASSERT_THAT(Parse({"--help"}), IsOk());
  const std::string help = table_.Answer();
  for (const char* text :
       {"Does things.", "--name NAME", "[unset]", "--set PATH=VALUE", "repeated", "--count N",
        "[3]", "--rate X", "[0.5]", "--fast", "--help", "\nMore at the end.\n"}) {
    EXPECT_THAT(help, HasSubstr(text));
  }
}

}  // namespace
}  // namespace slotmatch
