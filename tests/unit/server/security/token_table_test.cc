#include "server/security/token_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

std::string Line(const std::string& name, const std::string& roles, const std::string& token) {
  return absl::StrCat(name, " ", roles, " ", Sha256Hex(token), "\n");
}

TEST(ParseTokensTest, ReadsNamesRolesAndDigestsAndSkipsComments) {
  const auto entries = ParseTokens("# who may\n\n" + Line("camera", "infer", "a") + "  " +
                                   Line("ops", "admin,metrics", "b"));
  ASSERT_THAT(entries, IsOk());
  ASSERT_EQ(entries->size(), 2);
  EXPECT_EQ((*entries)[0].name, "camera");
  EXPECT_EQ((*entries)[0].roles, kRoleInfer);
  EXPECT_EQ((*entries)[1].roles, kRoleAdmin | kRoleMetrics);
}

TEST(ParseTokensTest, MistakesNameTheirLine) {
  const auto expect = [](const std::string& text, const char* message) {
    EXPECT_THAT(ParseTokens(text), FailsWith(absl::StatusCode::kInvalidArgument, message)) << text;
  };
  expect("camera infer", "line 1");
  expect("\ncamera root " + Sha256Hex("a"), "line 2: 'root' is no role");
  expect("camera infer 1234", "no SHA-256");
  expect("camera infer " + std::string(64, 'g'), "no SHA-256");
  expect(Line("a", "infer", "x") + Line("b", "infer", "x"), "line 2");
  expect(Line("a", "infer", "x") + Line("a", "infer", "y"), "given before");
}

class TokenTableTest : public testing::Test {
 protected:
  std::unique_ptr<TokenTable> Open(const std::string& text) {
    dir_.Write("tokens", text);
    auto table = TokenTable::Open(dir_.File("tokens"));
    EXPECT_THAT(table, IsOk());
    return table.ok() ? *std::move(table) : nullptr;
  }
  const TempDir dir_;
};

TEST_F(TokenTableTest, KnownTokenWithTheRoleGivesTheName) {
  const auto table = Open(Line("camera", "infer", "secret"));
  const auto name = table->Check("Bearer secret", kRoleInfer);
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(*name, "camera");
  EXPECT_THAT(table->Check("bearer secret", kRoleInfer), IsOk());
}

TEST_F(TokenTableTest, MissingUnknownAndWeakTokensAreToldApart) {
  const auto table = Open(Line("camera", "infer", "secret"));
  EXPECT_THAT(table->Check("", kRoleInfer),
              FailsWith(absl::StatusCode::kUnauthenticated, "Bearer TOKEN"));
  EXPECT_THAT(table->Check("Basic secret", kRoleInfer),
              FailsWith(absl::StatusCode::kUnauthenticated, "Bearer TOKEN"));
  EXPECT_THAT(table->Check("Bearer " + std::string(5000, 'x'), kRoleInfer),
              FailsWith(absl::StatusCode::kUnauthenticated, "Bearer TOKEN"));
  EXPECT_THAT(table->Check("Bearer secret ", kRoleInfer),
              FailsWith(absl::StatusCode::kUnauthenticated, "not known"));
  EXPECT_THAT(table->Check("Bearer secret", kRoleAdmin),
              FailsWith(absl::StatusCode::kPermissionDenied, "'camera' lacks the role admin"));
}

TEST_F(TokenTableTest, ChangedFileTakesEffectAndAWrongOneDoesNot) {
  const auto table = Open(Line("camera", "infer", "old"));
  dir_.Write("tokens", Line("camera", "infer", "new"));
  EXPECT_THAT(table->ReloadIfChanged(), IsOk());
  EXPECT_THAT(table->Check("Bearer old", kRoleInfer),
              FailsWith(absl::StatusCode::kUnauthenticated, ""));
  EXPECT_THAT(table->Check("Bearer new", kRoleInfer), IsOk());
  dir_.Write("tokens", "camera infer");
  EXPECT_THAT(table->ReloadIfChanged(), FailsWith(absl::StatusCode::kFailedPrecondition, "line 1"));
  EXPECT_THAT(table->ReloadIfChanged(), IsOk());  // said once
  EXPECT_THAT(table->Check("Bearer new", kRoleInfer), IsOk());
}

TEST_F(TokenTableTest, FileThatIsMissingOrEmptyIsRefusedAtTheStart) {
  EXPECT_THAT(TokenTable::Open(dir_.File("none")), FailsWith(absl::StatusCode::kNotFound, "none"));
  dir_.Write("tokens", "# nobody\n");
  EXPECT_THAT(TokenTable::Open(dir_.File("tokens")),
              FailsWith(absl::StatusCode::kFailedPrecondition, "names no token"));
}

}  // namespace
}  // namespace slotmatch
