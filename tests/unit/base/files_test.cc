#include "core/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(ReadFile, GivesEveryByte) {
  const TempDir dir;
  const std::string bytes("a\0b\r\n\xff", 6);
  EXPECT_EQ(ReadFile(dir.Write("x", bytes)).value(), bytes);
  EXPECT_EQ(ReadFile(dir.Write("empty", "")).value(), "");
}

TEST(ReadFile, MissingFileIsNotFoundAndNamed) {
  EXPECT_THAT(ReadFile("/nonexistent/file"), FailsWith(StatusCode::kNotFound, "/nonexistent/file"));
}

TEST(ReadFile, FolderIsAnErrorThatSaysSo) {
  const TempDir dir;
  const absl::Status status = ReadFile(dir.path()).status();
  EXPECT_THAT(status, FailsWith(StatusCode::kAborted, dir.path()));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("Success")));
}

TEST(ReadFile, RefusesMoreThanTheLimit) {
  const TempDir dir;
  const std::string path = dir.Write("x", "12345");
  EXPECT_THAT(ReadFile(path, 5), IsOk());
  EXPECT_THAT(ReadFile(path, 4), FailsWith(StatusCode::kOutOfRange, "5 bytes"));
}

TEST(WriteFileAtomically, WritesReplacesAndMakesFolders) {
  const TempDir dir;
  const std::string path = dir.File("a/b/c");
  ASSERT_THAT(WriteFileAtomically(path, "first, longer"), IsOk());
  ASSERT_THAT(WriteFileAtomically(path, "second"), IsOk());
  EXPECT_EQ(ReadFile(path).value(), "second");
  EXPECT_THAT(NamesIn(dir.File("a/b")), testing::ElementsAre("c")) << "temporary files are left";
}

TEST(WriteFileAtomically, FailureLeavesTheTargetAndNoTemporaryFile) {
  const TempDir dir;
  std::filesystem::create_directories(dir.File("target/full"));
  EXPECT_FALSE(WriteFileAtomically(dir.File("target"), "x").ok());  // a folder cannot be replaced
  EXPECT_TRUE(std::filesystem::is_directory(dir.File("target/full")));
  EXPECT_THAT(NamesIn(dir.path()), testing::ElementsAre("target"));
}

TEST(WriteFileAtomically, FolderThatIsAFileIsAnError) {
  const TempDir dir;
  dir.Write("file", "x");
  EXPECT_THAT(WriteFileAtomically(dir.File("file/inside"), "y"),
              FailsWith(StatusCode::kAborted, "file"));
  EXPECT_EQ(ReadFile(dir.File("file")).value(), "x");
}

// Vectors of FIPS 180-4 and its examples.
TEST(Sha256Hex, KnownVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256OfFile, EqualsThatOfItsBytes) {
  const TempDir dir;
  std::string bytes((1 << 20) + 17, '\0');  // more than one piece
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  EXPECT_EQ(Sha256OfFile(dir.Write("big", bytes)).value(), Sha256Hex(bytes));
  EXPECT_EQ(Sha256OfFile(dir.Write("empty", "")).value(), Sha256Hex(""));
}

TEST(Sha256OfFile, MissingFileAndFolderAreErrors) {
  const TempDir dir;
  EXPECT_THAT(Sha256OfFile(dir.File("no")), FailsWith(StatusCode::kNotFound, "no"));
  EXPECT_FALSE(Sha256OfFile(dir.path()).ok());
}

}  // namespace
}  // namespace slotmatch
