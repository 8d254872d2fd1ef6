#include "tests/parity/parity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <sstream>

#include "core/base/files.h"
#include "core/model/model_io.h"
#include "core/weights/safetensors.h"
#include "tests/parity/report.h"
#include "tests/support/shared_files.h"
#include "tests/support/temp_dir.h"

namespace slotmatch::parity {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kOwn[] = "tests/parity/fixtures";
constexpr char kPredictor[] = "modules/predictor.safetensors";

struct Outcome {
  int code;
  std::string text;
};

Outcome RunOn(const Options& options) {
  std::ostringstream out;
  const int code = RunParity(options, out);
  return {code, out.str()};
}

Outcome RunOn(const std::string& folder) { return RunOn({folder, "", "", "", true}); }

using TensorMap = std::map<std::string, torch::Tensor>;
using Settings = std::map<std::string, std::string>;

void Write(const std::string& path, const TensorMap& tensors, const Settings& settings) {
  std::map<std::string, TensorView> views;
  for (const auto& [key, tensor] : tensors) views.emplace(key, ToView(tensor));
  ASSERT_TRUE(WriteSafetensors(path, views, settings).ok());
}

// The predictor fixture with a change, in a folder of its own.
Outcome RunChanged(const std::function<void(TensorMap*, Settings*)>& change) {
  const auto file = SafetensorsFile::Open(std::string(kOwn) + "/" + kPredictor).value();
  TensorMap tensors;
  for (const auto& [key, view] : file->tensors()) tensors[key] = ToTorch(view);
  Settings settings = file->metadata();
  change(&tensors, &settings);
  const TempDir folder;
  Write(folder.File("changed.safetensors"), tensors, settings);
  return RunOn(folder.path());
}

TEST(Parity, HoldsOnTheFixturesOfTheRepository) {
  const Outcome outcome = RunOn(kOwn);
  EXPECT_EQ(outcome.code, kAllEqual) << outcome.text;
}

TEST(Parity, HoldsOnTheFixturesOfTheReference) {
  const std::string folder = SharedFile("fixtures");
  if (folder.empty()) GTEST_SKIP() << "the reference's fixtures are not there";
  const Outcome outcome = RunOn(folder);
  EXPECT_EQ(outcome.code, kAllEqual) << outcome.text;
}

TEST(RunParity, FailsWhenAnOutputOrAGradientIsWrong) {
  for (const char* key : {"out.y", "out64.y", "grad.in.x", "grad.blocks.1.linear2.bias"}) {
    const Outcome outcome = RunChanged([key](TensorMap* tensors, Settings*) {
      torch::Tensor value = (*tensors)[key].flatten();
      value[0] += 0.01 * value.abs().max();
    });
    EXPECT_EQ(outcome.code, kDifferent) << key;
    EXPECT_THAT(outcome.text, AllOf(HasSubstr("FAIL"), HasSubstr(key), HasSubstr("1 failed")));
  }
}

TEST(RunParity, FailsWhenAShapeIsWrong) {
  const Outcome outcome = RunChanged([](TensorMap* tensors, Settings*) {
    (*tensors)["out.y"] = torch::zeros({3, 4, 5});
  });
  EXPECT_EQ(outcome.code, kDifferent);
  EXPECT_THAT(outcome.text, HasSubstr("shape [3, 4, 6] instead of [3, 4, 5]"));
}

TEST(RunParity, FailsWhenAnExpectedValueIsNotCompared) {
  const Outcome outcome = RunChanged([](TensorMap* tensors, Settings*) {
    (*tensors)["out.y2"] = torch::zeros({1});
    (*tensors)["grad.blocks.7.linear2.bias"] = torch::zeros({6});
  });
  EXPECT_EQ(outcome.code, kDifferent);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("out.y2"), HasSubstr("blocks.7"),
                                  HasSubstr("not compared"), HasSubstr("2 failed")));
}

TEST(RunParity, NamesWhatAKnownKindLacks) {
  Outcome outcome = RunChanged([](TensorMap* tensors, Settings*) { tensors->erase("in.x"); });
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text, HasSubstr("changed.safetensors: tensor 'in.x' is missing"));
  outcome = RunChanged(
      [](TensorMap* tensors, Settings*) { tensors->erase("param.blocks.1.norm2.bias"); });
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text, HasSubstr("blocks.1.norm2.bias"));
  outcome = RunChanged([](TensorMap*, Settings* settings) { settings->erase("config"); });
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text, HasSubstr("setting 'config' is missing"));
  outcome = RunChanged([](TensorMap*, Settings* settings) { (*settings)["config"] = "{"; });
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text, HasSubstr("setting 'config' is not JSON"));
}

TEST(RunParity, NamesWhatItDoesNotKnow) {
  const TempDir folder;
  Write(folder.File("other.safetensors"), {{"out.y", torch::zeros({2})}}, {});
  const Outcome outcome = RunOn(folder.path());
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text,
              AllOf(HasSubstr("other.safetensors: unknown kind"), HasSubstr("training curve")));
  const Outcome module = RunChanged([](TensorMap*, Settings* settings) {
    (*settings)["config"] = R"({"name": "NoSuchModule"})";
  });
  EXPECT_EQ(module.code, kUnusable);
  EXPECT_THAT(module.text, HasSubstr("unknown module 'NoSuchModule'"));
}

TEST(RunParity, AnEmptyOrDamagedFolderIsNoSuccess) {
  const TempDir folder;
  EXPECT_EQ(RunOn(folder.path()).code, kUnusable);
  EXPECT_EQ(RunOn(folder.File("none")).code, kUnusable);
  folder.Write("cut.safetensors", "abc");
  const Outcome outcome = RunOn(folder.path());
  EXPECT_EQ(outcome.code, kUnusable);
  EXPECT_THAT(outcome.text, HasSubstr("cut.safetensors"));
}

TEST(RunParity, WritesTheTableOfErrors) {
  const TempDir folder;
  Options options{std::string(kOwn) + "/modules", "", "", folder.File("table.md"), true};
  EXPECT_EQ(RunOn(options).code, kAllEqual);
  EXPECT_THAT(ReadFile(options.markdown).value(),
              AllOf(HasSubstr("| fixture | quantity |"), HasSubstr("| predictor.safetensors |")));
}

TEST(ToleranceTable, HasARowPerQuantityInItsOrder) {
  for (size_t i = 0; i < ToleranceTable().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(ToleranceTable()[i].quantity), i);
  }
  EXPECT_EQ(ToleranceTable().back().quantity, Quantity::kEqual);
}

TEST(IsExpected, TellsResultsFromInputs) {
  for (const char* key : {"out.y", "out64.step.loss", "grad.in.x", "kd.cos.grad.student",
                          "image0.out.518.tokens", "data0.movi.out.input"}) {
    EXPECT_TRUE(IsExpected(key)) << key;
  }
  for (const char* key : {"in.x", "param.out.weight", "in.weight.out.y", "image0.in.518.corner",
                          "teacher.blocks.0.self_attn.out_proj.bias", "data0.movi.crop_box"}) {
    EXPECT_FALSE(IsExpected(key)) << key;
  }
}

}  // namespace
}  // namespace slotmatch::parity
