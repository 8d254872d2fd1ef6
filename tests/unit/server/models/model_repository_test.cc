#include "server/models/model_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

class ModelRepository : public testing::Test {
 protected:
  std::string Make(const std::string& path) {
    const std::string folder = root_.path() + "/" + path;
    EXPECT_THAT(WriteFileAtomically(folder + "/manifest.textproto", ""), IsOk());
    return folder;
  }
  TempDir root_;
};

TEST_F(ModelRepository, EmptyVersionIsTheHighestNumber) {
  Make("a/2");
  const std::string newest = Make("a/10");
  Make("a/next");
  std::filesystem::create_directories(root_.path() + "/a/11");  // has no manifest
  EXPECT_EQ(FindInRepository(root_.path(), "a", "").value_or("?"), newest);
  EXPECT_EQ(FindInRepository(root_.path() + "/", "a", "next").value_or("?"),
            root_.path() + "/a/next");
  EXPECT_THAT(FindInRepository(root_.path(), "a", "11"),
              FailsWith(absl::StatusCode::kNotFound, "a/11"));
  EXPECT_THAT(FindInRepository(root_.path(), "b", ""),
              FailsWith(absl::StatusCode::kNotFound, "/b"));
}

TEST_F(ModelRepository, NamesMayNotLeaveTheRepository) {
  Make("a/1");
  for (const std::string& name :
       std::vector<std::string>{"..", ".", "", "a/../a", "/etc", ".hidden", "a\\b",
                                std::string("a\0b", 3), std::string(1000, 'a')}) {
    EXPECT_THAT(FindInRepository(root_.path(), name, "1"),
                FailsWith(absl::StatusCode::kInvalidArgument, "no name of a folder"))
        << name;
    if (name.empty()) continue;  // the newest
    EXPECT_THAT(FindInRepository(root_.path(), "a", name),
                FailsWith(absl::StatusCode::kInvalidArgument, "no name of a folder"))
        << name;
  }
}

TEST_F(ModelRepository, BesideMeansTheOtherVersionsOfTheFolder) {
  const std::string old = Make("a/1"), fresh = Make("a/2"), plain = Make("model");
  EXPECT_EQ(FindBeside(old, "").value_or("?"), fresh);
  EXPECT_EQ(FindBeside(old + "/", "1").value_or("?"), old);
  EXPECT_EQ(FindBeside(plain, "").value_or("?"), plain);
  EXPECT_THAT(FindBeside(old, "../model"),
              FailsWith(absl::StatusCode::kInvalidArgument, "version"));
}

TEST_F(ModelRepository, StandsTwoFoldersAboveTheModel) {
  EXPECT_EQ(RepositoryOf(root_.path() + "/a/1"), root_.path());
  EXPECT_EQ(RepositoryOf(root_.path() + "/a/./1/"), root_.path());
}

}  // namespace
}  // namespace slotmatch
