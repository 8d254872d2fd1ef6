// Weights in and out of the trainer program: the shipped models in every format and back, damaged
// files, and the service with an imported model.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "tests/integration/programs.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kProgram[] = "slotmatch_trainer";
constexpr char kBackbone[] = "models/dinov2_vits14/1";

class Weights : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { folder_ = FreshFolder("weights"); }
  static void TearDownTestSuite() { RemoveUnlessFailed(folder_); }

  static std::unique_ptr<Process> Run(const std::vector<std::string>& arguments) {
    auto run = StartProgram(kProgram, absl::StrCat(folder_, "/", ++started_, ".log"), arguments);
    run->Wait(kRunPatience);
    return run;
  }
  // Exports the model as `format` to a file, imports it, and returns the new model directory.
  static std::string OutAndIn(const std::string& model, const std::string& format,
                              const std::string& ending, std::vector<std::string> more = {}) {
    const std::string file = absl::StrCat(folder_, "/", format, ending);
    const auto out = Run({"export", "--model", model, "--to", format, "--out", file});
    EXPECT_EQ(out->Wait(kShortPatience), 0) << out->Output();
    const std::string name = absl::StrCat(format, ++started_);
    const std::string directory = absl::StrCat(folder_, "/repository/", name, "/1");
    more.insert(more.begin(), {"import", "--from", file, "--as", name, "--to", directory});
    const auto in = Run(more);
    EXPECT_EQ(in->Wait(kShortPatience), 0) << in->Output();
    EXPECT_THAT(in->Printed(), HasSubstr("-> " + directory));
    return directory;
  }

  inline static std::string folder_;
  inline static int started_ = 0;
};

TEST_F(Weights, BackboneComesBackBitForBit) {
  const std::string shipped = FileBytes(absl::StrCat(kBackbone, "/weights.safetensors"));
  ASSERT_NE(shipped, "");
  const std::pair<const char*, const char*> rows[] = {
      {"torch-hub", ".pth"}, {"timm", ".safetensors"}, {"hf", ".safetensors"}, {"hf", ".bin"}};
  for (const auto& [format, ending] : rows) {
    SCOPED_TRACE(absl::StrCat(format, ending));
    const std::string directory = OutAndIn(kBackbone, format, ending);
    EXPECT_TRUE(FileBytes(directory + "/weights.safetensors") == shipped);
  }
}

TEST_F(Weights, ModelComesBackBitForBitAndIsServed) {
  const std::string directory = OutAndIn(
      kStudent, "lightning", ".ckpt",
      {"--set", "model.target_normalization=COSINE", "--set", "role=student", "--set",
       "model.mask_source=ATTENTION", "--backbone", kBackbone, "--set", "preprocessing={}"});
  EXPECT_TRUE(FileBytes(directory + "/weights.safetensors") ==
              FileBytes(absl::StrCat(kStudent, "/weights.safetensors")));
  const std::string manifest = FileBytes(directory + "/manifest.textproto");
  EXPECT_THAT(manifest, HasSubstr("../../dinov2_vits14/1/weights.safetensors"));
  for (const auto& [model, name] : {std::pair<std::string, const char*>(kStudent, "shipped"),
                                    std::pair<std::string, const char*>(directory, "back")}) {
    const auto infer = Run({"infer", "--model", model, "--video", kSampleFrames, "--out",
                            absl::StrCat(folder_, "/", name)});
    ASSERT_EQ(infer->Wait(kShortPatience), 0) << infer->Output();
  }
  ExpectSameMasks(folder_ + "/shipped", folder_ + "/back", 8, 1.0);
}

TEST_F(Weights, ReportNamesEveryKey) {
  const std::string file = folder_ + "/report.bin", report = folder_ + "/report.txt";
  const auto out = Run({"export", "--model", kBackbone, "--to", "hf", "--out", file, "--verbose"});
  ASSERT_EQ(out->Wait(kShortPatience), 0) << out->Output();
  EXPECT_THAT(out->Printed(), HasSubstr("renamed cls_token -> embeddings.cls_token"));
  const auto in = Run({"import", "--from", file, "--as", "r", "--to", folder_ + "/repository/r/1",
                       "--report", report});
  ASSERT_EQ(in->Wait(kShortPatience), 0) << in->Output();
  EXPECT_THAT(FileBytes(report), HasSubstr("renamed embeddings.cls_token -> cls_token\n"));
  EXPECT_THAT(FileBytes(report),
              HasSubstr("renamed encoder.layer.0.attention.attention.key.bias -> "
                        "blocks.0.attn.qkv.bias\n"));
}

TEST_F(Weights, CommandLinesAndDamagedFilesAreOneClearLine) {
  const std::string whole = FileBytes(absl::StrCat(kBackbone, "/weights.safetensors"));
  WriteBytes(folder_ + "/cut.safetensors", whole.substr(0, whole.size() / 2));
  WriteBytes(folder_ + "/cut.pth", "PK\x03\x04" + std::string(100, 'x'));
  WriteBytes(folder_ + "/empty.ckpt", "");
  WriteBytes(folder_ + "/text.onnx", "these are no weights");
  const std::string head = "models/slotmatch/1/weights.safetensors";
  const std::string to = folder_ + "/repository/no/1";
  struct Row {
    std::vector<std::string> arguments;
    int code;
    const char* fragment;
  };
  const Row rows[] = {
      {{"import"}, 64, "--from FILE and --as NAME"},
      {{"import", "--from", "x.pth", "--as", "no", "--input-size", "3"}, 64, "WIDTHxHEIGHT"},
      {{"import", "--from", "x.pth", "--as", "../no"}, 64, "is no name"},
      {{"import", "--from", "no_such.pth", "--as", "no", "--to", to}, 66, "no_such.pth"},
      {{"import", "--from", folder_ + "/cut.safetensors", "--as", "no", "--to", to},
       65,
       "cut.safetensors"},
      {{"import", "--from", folder_ + "/cut.pth", "--as", "no", "--to", to}, 65, "cut.pth"},
      {{"import", "--from", folder_ + "/empty.ckpt", "--as", "no", "--to", to}, 65, "empty.ckpt"},
      {{"import", "--from", folder_ + "/text.onnx", "--as", "no", "--to", to}, 65, "text.onnx"},
      {{"import", "--from", head, "--as", "no", "--to", to}, 65, "patch_embed.proj.weight"},
      {{"import", "--from", head, "--as", "no", "--to", to, "--kind", "odd"}, 64, "--kind 'odd'"},
      {{"export", "--model", kBackbone}, 64, "--model DIR, --to FORMAT and --out FILE"},
      {{"export", "--model", kBackbone, "--to", "tensorflow", "--out", "x.pth"},
       64,
       "torch-hub, timm, hf, lightning"},
      {{"export", "--model", kBackbone, "--to", "timm", "--out", "x.tar"}, 64, "x.tar"},
      {{"export", "--model", kBackbone, "--to", "lightning", "--out", "x.ckpt"}, 78, "backbone"},
      {{"export", "--model", "models/no_such/1", "--to", "timm", "--out", "x.pth"},
       66,
       "models/no_such/1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fragment);
    const auto run = Run(row.arguments);
    EXPECT_EQ(run->Wait(kShortPatience), row.code) << run->Output();
    ExpectLastErrorLine(*run, kProgram, row.fragment);
  }
  EXPECT_FALSE(fs::exists(to));
}

}  // namespace
}  // namespace slotmatch
