#include "core/weights/backbone_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "core/weights/manifest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

// Two repositories: `here`, where a model is being written, and `there`.
class BackbonePart : public testing::Test {
 protected:
  // A model directory of one part of role "backbone", which is FILE below it; returns it.
  std::string Write(const std::string& directory, const std::string& role, const std::string& name,
                    const std::string& file, uint8_t value = 1) const {
    const std::vector<uint8_t> bytes = {value, value};
    const std::string path = dir_.File(directory + "/" + file);
    EXPECT_THAT(WriteSafetensors(path, {{"cls_token", {DType::kU8, {2}, bytes}}}), IsOk());
    config::Manifest manifest;
    manifest.set_name(name);
    manifest.set_version("1");
    manifest.set_role(role);
    config::WeightPart* part = manifest.add_parts();
    part->set_role("backbone");
    part->set_file(file);
    part->set_sha256(Sha256OfFile(path).value());
    EXPECT_THAT(WriteManifest(dir_.File(directory), manifest), IsOk());
    return dir_.File(directory);
  }
  // The part that a new model here/new/1 gets.
  absl::StatusOr<config::WeightPart> Add(const std::string& source) const {
    config::Manifest manifest;
    const absl::Status added = AddBackbonePart(source, dir_.File("here/new/1"), &manifest);
    if (!added.ok()) return added;
    EXPECT_EQ(manifest.parts_size(), 1);
    return manifest.parts(0);
  }
  // Whether a model here/new/1 of this part opens.
  void ExpectOpens(const config::WeightPart& part) const {
    config::Manifest manifest;
    manifest.set_name("new");
    *manifest.add_parts() = part;
    ASSERT_THAT(WriteManifest(dir_.File("here/new/1"), manifest), IsOk());
    PartCache cache;
    const auto model = OpenModelDirectory(dir_.File("here/new/1"), &cache);
    ASSERT_THAT(model, IsOk());
    EXPECT_NE(model->Find(std::string(kBackbonePrefix) + "cls_token"), nullptr);
  }

  const TempDir dir_;
};

TEST_F(BackbonePart, OfTheSameRepositoryIsShared) {
  const auto part = Add(Write("here/vit/1", "backbone", "vit", "w.safetensors"));
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->file(), "../../vit/1/w.safetensors");
  EXPECT_EQ(part->key_prefix(), kBackbonePrefix);
  ExpectOpens(*part);
}

TEST_F(BackbonePart, BackboneOfAnotherRepositoryBecomesOneHere) {
  const auto part = Add(Write("there/vit/1", "backbone", "vit", "w.safetensors"));
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->file(), "../../vit/1/w.safetensors");
  EXPECT_TRUE(std::filesystem::exists(dir_.File("here/vit/1/manifest.textproto")));
  ExpectOpens(*part);
}

TEST_F(BackbonePart, WholeModelOfTheSameRepositoryIsShared) {
  const auto part = Add(Write("here/whole/1", "teacher", "whole", "backbone.safetensors"));
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->file(), "../../whole/1/backbone.safetensors");
  ExpectOpens(*part);
}

TEST_F(BackbonePart, EncoderOfAWholeModelElsewhereIsCopied) {
  const auto part = Add(Write("there/whole/1", "teacher", "whole", "b.safetensors"));
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->file(), "backbone.safetensors");
  ExpectOpens(*part);
}

TEST_F(BackbonePart, BackboneThatAWholeModelElsewhereSharesBecomesOneHere) {
  Write("there/vit/1", "backbone", "vit", "w.safetensors");
  const std::string whole = dir_.File("there/whole/1");
  config::Manifest manifest;
  manifest.set_name("whole");
  manifest.set_role("teacher");
  ASSERT_THAT(AddBackbonePart(dir_.File("there/vit/1"), whole, &manifest), IsOk());
  ASSERT_THAT(WriteManifest(whole, manifest), IsOk());
  const auto part = Add(whole);
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->file(), "../../vit/1/w.safetensors");
  ExpectOpens(*part);
}

TEST_F(BackbonePart, AnotherFileInItsPlaceIsNamed) {
  Write("here/vit/1", "backbone", "vit", "w.safetensors", /*value=*/2);
  EXPECT_THAT(Add(Write("there/vit/1", "backbone", "vit", "w.safetensors")),
              FailsWith(StatusCode::kAlreadyExists, "here/vit/1/w.safetensors"));
}

TEST_F(BackbonePart, WhatIsNoBackboneIsRefused) {
  EXPECT_THAT(Add(dir_.File("nowhere/1")), FailsWith(StatusCode::kNotFound, "nowhere"));
  config::Manifest manifest;
  ASSERT_THAT(WriteManifest(dir_.File("there/head/1"), manifest), IsOk());
  EXPECT_THAT(Add(dir_.File("there/head/1")),
              FailsWith(StatusCode::kFailedPrecondition, "no part"));
  const std::string gone = Write("there/gone/1", "backbone", "gone", "w.safetensors");
  std::filesystem::remove(gone + "/w.safetensors");
  EXPECT_THAT(Add(gone), FailsWith(StatusCode::kNotFound, "w.safetensors"));
  const std::string damaged = Write("here/damaged/1", "backbone", "damaged", "w.safetensors");
  dir_.Write("here/damaged/1/w.safetensors", "other bytes");
  EXPECT_THAT(Add(damaged), FailsWith(StatusCode::kDataLoss, "damaged"));
  const std::string outside = Write("there/o/1", "backbone", "../../o", "w.safetensors");
  EXPECT_THAT(Add(outside), FailsWith(StatusCode::kFailedPrecondition, "../../o"));
}

}  // namespace
}  // namespace slotmatch
