#include "core/weights/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;
namespace fs = std::filesystem;

constexpr StatusCode kWrong = StatusCode::kFailedPrecondition;

// A repository with models/<name>/<version> folders, below a folder that is outside of it.
class ManifestTest : public testing::Test {
 protected:
  // An archive with one tensor [2] of bytes; returns its digest.
  std::string WritePart(const std::string& file, const std::string& key, uint8_t value) {
    const std::vector<uint8_t> bytes = {value, value};
    EXPECT_THAT(WriteSafetensors(dir_.File(file), {{key, {DType::kU8, {2}, bytes}}}), IsOk());
    return Sha256OfFile(dir_.File(file)).value();
  }
  static std::string Part(const std::string& file, const std::string& sha256,
                          const std::string& prefix = "") {
    return "parts { file: '" + file + "' sha256: '" + sha256 + "' key_prefix: '" + prefix + "' }\n";
  }
  absl::StatusOr<ModelFiles> Open(const std::string& manifest) {
    dir_.Write("models/m/1/manifest.textproto", manifest);
    return OpenModelDirectory(dir_.File("models/m/1"), &cache_);
  }

  const TempDir dir_;
  PartCache cache_;
};

TEST_F(ManifestTest, OpensPartsOfThisAndOtherModels) {
  const std::string head = WritePart("models/m/1/head.safetensors", "slots", 1);
  const std::string body = WritePart("models/vit/2/weights.safetensors", "cls_token", 2);
  const auto model =
      Open("name: 'm' version: '1'\n" + Part("../../vit/2/weights.safetensors", body, "encoder.") +
           Part("head.safetensors", head));
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->manifest.name(), "m");
  EXPECT_EQ(model->parts.size(), 2u);
  ASSERT_NE(model->Find("encoder.cls_token"), nullptr);
  EXPECT_EQ(model->Find("encoder.cls_token")->bytes[0], 2);
  ASSERT_NE(model->Find("slots"), nullptr);
  EXPECT_EQ(model->Find("cls_token"), nullptr);
  EXPECT_EQ(model->digest, Sha256Hex(body + head));
}

TEST_F(ManifestTest, ModelsThatShareAPartShareItsMemory) {
  const std::string sha = WritePart("models/vit/2/w.safetensors", "a", 2);
  const std::string text = "name: 'm'\n" + Part("../../vit/2/w.safetensors", sha);
  const auto first = Open(text);
  dir_.Write("models/n/1/manifest.textproto", text);
  const auto second = OpenModelDirectory(dir_.File("models/n/1"), &cache_);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->parts[0], second->parts[0]);
}

TEST_F(ManifestTest, DigestThatDiffersIsDataLossAndNamesTheFile) {
  const std::string sha = WritePart("models/m/1/w.safetensors", "a", 1);
  WritePart("models/m/1/w.safetensors", "a", 2);  // replaced afterwards
  EXPECT_THAT(Open("name: 'm'\n" + Part("w.safetensors", sha)),
              FailsWith(StatusCode::kDataLoss, "w.safetensors"));
  EXPECT_THAT(Open("name: 'm'\n" + Part("w.safetensors", "")),
              FailsWith(StatusCode::kDataLoss, "SHA-256"));
}

TEST_F(ManifestTest, PartThatIsNoArchiveIsDataLoss) {
  dir_.Write("models/m/1/w.safetensors", "garbage, but with the right digest");
  const std::string sha = Sha256OfFile(dir_.File("models/m/1/w.safetensors")).value();
  EXPECT_THAT(Open("name: 'm'\n" + Part("w.safetensors", sha)),
              FailsWith(StatusCode::kDataLoss, "w.safetensors"));
}

TEST_F(ManifestTest, MissingPartIsNotFoundAndNamed) {
  EXPECT_THAT(Open("name: 'm'\n" + Part("gone.safetensors", "00")),
              FailsWith(StatusCode::kNotFound, "gone.safetensors"));
}

TEST_F(ManifestTest, PartsMayNotLeaveTheRepository) {
  const std::string sha = WritePart("outside.safetensors", "a", 1);
  for (const std::string& file :
       {std::string("../../../outside.safetensors"),
        std::string("../../x/../../outside.safetensors"), dir_.File("outside.safetensors"),
        std::string("/etc/passwd"), std::string("../../..")}) {
    EXPECT_THAT(Open("name: 'm'\n" + Part(file, sha)), FailsWith(kWrong, "outside")) << file;
  }
}

TEST_F(ManifestTest, LinksMayNotLeadOutOfTheRepository) {
  const std::string sha = WritePart("secret.safetensors", "a", 1);
  fs::create_directories(dir_.File("models/m/1"));
  fs::create_symlink(dir_.File("secret.safetensors"), dir_.File("models/m/1/link.safetensors"));
  EXPECT_THAT(Open("name: 'm'\n" + Part("link.safetensors", sha)), FailsWith(kWrong, "outside"));
}

TEST_F(ManifestTest, KeyInTwoPartsIsDataLoss) {
  const std::string one = WritePart("models/m/1/1.safetensors", "a", 1);
  const std::string two = WritePart("models/m/1/2.safetensors", "a", 2);
  EXPECT_THAT(Open("name: 'm'\n" + Part("1.safetensors", one) + Part("2.safetensors", two)),
              FailsWith(StatusCode::kDataLoss, "'a'"));
  EXPECT_THAT(Open("name: 'm'\n" + Part("1.safetensors", one) + Part("2.safetensors", two, "x.")),
              IsOk());
}

TEST_F(ManifestTest, WrongManifestsSayWhatIsWrong) {
  const std::string part = Part("w.safetensors", WritePart("models/m/1/w.safetensors", "a", 1));
  EXPECT_THAT(Open("name: 'm' schema_version: 2\n" + part), FailsWith(kWrong, "schema_version 2"));
  EXPECT_THAT(Open(part), FailsWith(kWrong, "name"));
  EXPECT_THAT(Open("name: 'm'"), FailsWith(kWrong, "parts"));
  EXPECT_THAT(Open("name: 'm' colour: 3\n" + part), FailsWith(kWrong, "colour"));
  EXPECT_THAT(Open("name: 'm' schema_version: 2\n" + part),
              FailsWith(kWrong, "manifest.textproto"));
}

TEST_F(ManifestTest, FolderWithoutAManifestIsNotFound) {
  EXPECT_THAT(OpenModelDirectory(dir_.File("models"), &cache_),
              FailsWith(StatusCode::kNotFound, "manifest.textproto"));
}

}  // namespace
}  // namespace slotmatch
