// The trainer program on real clips: a teacher, a student of it, interruptions at any place,
// scores, and the way of a model into the service.
#include <signal.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/programs.h"
#include "tests/integration/tiny_training.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kProgram[] = "slotmatch_trainer";
constexpr int kSteps = 40;  // enough that a signal arrives before the end

// The newest checkpoint's weights, and the finished model's.
std::string CheckpointWeights(const std::string& run, int step) {
  return FileBytes(absl::StrFormat("%s/checkpoints/step_%09d/model.safetensors", run, step));
}
std::string ModelWeights(const std::string& run) {
  return FileBytes(run + "/models/tiny/1/weights.safetensors");
}

class Trainer : public ::testing::Test {
 protected:
  // One whole training, which the cases compare with and build on.
  static void SetUpTestSuite() {
    folder_ = FreshFolder("trainer");
    WriteBytes(Recipe(), TinyRecipe(folder_ + "/features", kSteps, /*batch_clips=*/2));
    whole_ = folder_ + "/whole";
    const auto run = StartTraining(whole_, {});
    ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  }
  static void TearDownTestSuite() { RemoveUnlessFailed(folder_); }

  static std::string Recipe() { return folder_ + "/recipe.textproto"; }
  static std::string Model() { return whole_ + "/models/tiny/1"; }

  static std::unique_ptr<Process> Start(const std::vector<std::string>& arguments) {
    return StartProgram(kProgram, absl::StrCat(folder_, "/", ++started_, ".log"), arguments);
  }
  static std::unique_ptr<Process> StartTraining(const std::string& out,
                                                const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--config", Recipe(), "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Start(arguments);
  }

  // Starts a training and sends `signal` once `steps` steps are logged; its exit code.
  static int Interrupt(const std::string& out, int signal, int steps) {
    const auto run = StartTraining(out, {});
    EXPECT_TRUE(
        Eventually([&] { return CountLines(out + "/losses.jsonl") >= steps; }, kRunPatience))
        << run->Output();
    run->Signal(signal);
    return run->Wait(kShortPatience);
  }

  static void ExpectResumesToTheSameWeights(const std::string& out) {
    EXPECT_FALSE(fs::exists(out + "/models/tiny/1/manifest.textproto")) << "it was not interrupted";
    const auto resumed = StartTraining(out, {"--resume"});
    ASSERT_EQ(resumed->Wait(kRunPatience), 0) << resumed->Output();
    EXPECT_THAT(resumed->Output(), HasSubstr("resumed step="));
    EXPECT_NE(ModelWeights(whole_), "");
    EXPECT_TRUE(CheckpointWeights(out, kSteps) == CheckpointWeights(whole_, kSteps));
    EXPECT_TRUE(ModelWeights(out) == ModelWeights(whole_));
    ExpectEveryStepOnce(out);
  }

  // The loss curve has no gap and no step twice, whatever was logged before the end of a run.
  static void ExpectEveryStepOnce(const std::string& out) {
    const std::vector<std::string> lines = Lines(FileBytes(out + "/losses.jsonl"));
    EXPECT_EQ(lines.size(), static_cast<size_t>(kSteps));
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto line = nlohmann::json::parse(lines[i], nullptr, false);
      ASSERT_TRUE(line.is_object()) << lines[i];
      EXPECT_EQ(line.at("step").get<size_t>(), i + 1);
    }
  }

  inline static std::string folder_, whole_;
  inline static int started_ = 0;
};

TEST_F(Trainer, WritesLossesCheckpointsAndAModel) {
  const std::vector<std::string> lines = Lines(FileBytes(whole_ + "/losses.jsonl"));
  ExpectEveryStepOnce(whole_);
  for (const std::string& text : lines) {
    const auto line = nlohmann::json::parse(text);
    EXPECT_GT(line.at("reconstruction").get<double>(), 0);
    EXPECT_GT(line.at("slot_contrast").get<double>(), 0);
  }
  const auto first = nlohmann::json::parse(lines.front());
  const auto last = nlohmann::json::parse(lines.back());
  EXPECT_LT(last.at("reconstruction").get<double>(), first.at("reconstruction").get<double>());
  EXPECT_NE(CheckpointWeights(whole_, kSteps), "");
  EXPECT_NE(CheckpointWeights(whole_, kSteps - 5), "");
  EXPECT_EQ(CheckpointWeights(whole_, kSteps - 10), "") << "keep_checkpoints is 2";
  const std::string manifest = FileBytes(Model() + "/manifest.textproto");
  EXPECT_THAT(manifest, HasSubstr("role: \"teacher\""));
  EXPECT_THAT(manifest, HasSubstr(absl::StrCat("steps: ", kSteps)));
}

TEST_F(Trainer, InterruptedRunSavesAndResumesToTheSameWeights) {
  const std::string out = folder_ + "/interrupted";
  EXPECT_EQ(Interrupt(out, SIGINT, 7), 130);
  EXPECT_FALSE(fs::is_empty(out + "/checkpoints"));
  ExpectResumesToTheSameWeights(out);
}

TEST_F(Trainer, TerminatedRunAsksToBeResumed) {
  const std::string out = folder_ + "/terminated";
  EXPECT_EQ(Interrupt(out, SIGTERM, 7), 75);
  EXPECT_FALSE(fs::is_empty(out + "/checkpoints"));
}

TEST_F(Trainer, KilledRunResumesToTheSameWeights) {
  const std::string out = folder_ + "/killed";
  EXPECT_EQ(Interrupt(out, SIGKILL, 7), 128 + SIGKILL);
  ExpectResumesToTheSameWeights(out);
}

TEST_F(Trainer, StudentLearnsFromTheTeacherSlotBySlot) {
  const std::string out = folder_ + "/student";
  const auto run = StartTraining(
      out, {"--set", "name=small", "--set", "role=student", "--set", "teacher.path=" + Model(),
            "--set", "model.decoder.hidden_dim=16", "--set", "model.mask_source=ATTENTION", "--set",
            "losses[2].name=slot_kd", "--set", "loop.max_steps=20"});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  const std::vector<std::string> lines = Lines(FileBytes(out + "/losses.jsonl"));
  ASSERT_EQ(lines.size(), 20u);
  const auto first = nlohmann::json::parse(lines.front());
  const auto last = nlohmann::json::parse(lines.back());
  EXPECT_LT(last.at("slot_kd").get<double>(), first.at("slot_kd").get<double>());
  EXPECT_THAT(FileBytes(out + "/models/small/1/manifest.textproto"),
              HasSubstr("role: \"student\""));
}

size_t FilesIn(const std::string& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

TEST_F(Trainer, EvaluateScoresAModel) {
  const std::string scores = folder_ + "/scores.json";
  const auto run = Start({"evaluate", "--model", Model(), "--data", kSampleClips, "--split", "val",
                          "--json", scores, "--csv", folder_ + "/scores.csv", "--pictures",
                          folder_ + "/strips", "--best", "1", "--worst", "1"});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  const auto object = ReadJson(scores);
  ASSERT_TRUE(object.is_object());
  EXPECT_GT(object.at("items").get<int>(), 0);
  const std::map<std::string, double> lowest = {
      // Chance is 0 for the adjusted Rand index; a few steps of training can be below it.
      {"image_fg_ari", -0.5}, {"video_fg_ari", -0.5}, {"image_mbo", 0},
      {"video_mbo", 0},       {"j_and_f", 0},         {"object_purity", 0}};
  for (const auto& [metric, low] : lowest) {
    EXPECT_GE(object.at(metric).get<double>(), low) << metric;
    EXPECT_LE(object.at(metric).get<double>(), 1) << metric;
    EXPECT_LE(object.at("confidence").at(metric).at(0), object.at(metric)) << metric;
    EXPECT_GE(object.at("confidence").at(metric).at(1), object.at(metric)) << metric;
  }
  EXPECT_THAT(run->Printed(), HasSubstr("image_fg_ari"));
  EXPECT_EQ(CountLines(folder_ + "/scores.csv"), 1 + object.at("videos").get<int>());
  EXPECT_EQ(FilesIn(folder_ + "/strips"), 2u);
}

TEST_F(Trainer, EvaluateComparesModelsOnPiecesOfVideos) {
  const std::string scores = folder_ + "/compared.json";
  const auto run = Start({"evaluate", "--model", Model(), "--model", kStudent, "--data",
                          kSampleClips, "--clip-frames", "4", "--json", scores, "--csv",
                          folder_ + "/compared.csv", "--max-videos", "1"});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  const auto object = ReadJson(scores);
  EXPECT_EQ(object.at("videos"), 2);  // a video of 8 frames
  EXPECT_EQ(object.at("others").at(0).at("model"), "slotmatch/1");
  EXPECT_TRUE(object.at("others").at(0).at("difference").at("video_mbo").at("value").is_number());
  EXPECT_THAT(run->Printed(), HasSubstr("slotmatch/1 - tiny/1"));
  EXPECT_EQ(CountLines(folder_ + "/compared.csv"), 1 + 2 * 2);
}

TEST_F(Trainer, DescribeCountsModelsAndConfigurations) {
  const std::string counts = folder_ + "/counts.json";
  const auto run = Start({"describe", Model(), kStudent, "models/dinov2_vits14/1", "--config",
                          "configs/model/slotmatch_ytvis.textproto", "--json", counts});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  EXPECT_THAT(run->Printed(), HasSubstr("25,170,241"));
  const auto models = ReadJson(counts).at("models");
  ASSERT_EQ(models.size(), 4u);
  for (const auto& model : models) {
    SCOPED_TRACE(model.dump());
    EXPECT_GT(model.at("gflops_per_frame").get<double>(), 0);
    int64_t sum = 0;
    for (const auto& module : model.at("modules")) sum += module.at("parameters").get<int64_t>();
    EXPECT_EQ(sum, model.at("parameters").get<int64_t>());
  }
  EXPECT_EQ(models.at(2).at("parameters"), 22055424);
  EXPECT_EQ(models.at(2).at("weights_disk_bytes"), 2 * 22055424);  // float16
  EXPECT_FALSE(models.at(3).contains("weights_disk_bytes"));
}

// The IDs of all slots of all frames.
std::vector<uint64_t> IdsIn(const std::string& folder) {
  std::vector<uint64_t> ids;
  for (const std::string& line : Lines(FileBytes(folder + "/slots.jsonl"))) {
    const nlohmann::json slots = nlohmann::json::parse(line).at("slots");
    for (const nlohmann::json& slot : slots) ids.push_back(slot.at("id").get<uint64_t>());
  }
  return ids;
}

// One forward: what infer writes is what the service answers.
void ExpectInferEqualsService(const std::string& folder, const std::string& model) {
  fs::create_directories(folder);
  const auto infer = StartProgram(
      kProgram, folder + "/infer.log",
      {"infer", "--model", model, "--video", kSampleFrames, "--out", folder + "/infer"});
  ASSERT_EQ(infer->Wait(kRunPatience), 0) << infer->Output();
  ServerProcess server(folder, {model});
  ASSERT_TRUE(server.ready()) << server.process().Output();
  const auto client = StartClient(server.address(), folder + "/client.log",
                                  {"--video", kSampleFrames, "--out", folder + "/service"});
  ASSERT_EQ(client->Wait(kRunPatience), 0) << client->Output();
  EXPECT_EQ(ReadJson(folder + "/service/summary.json").at("frames").get<int>(), 8);
  EXPECT_EQ(CountLines(folder + "/infer/slots.jsonl"), 8);
  ExpectSameMasks(folder + "/infer", folder + "/service", 8, 0.999);
  EXPECT_EQ(IdsIn(folder + "/infer"), IdsIn(folder + "/service"));
}

TEST_F(Trainer, InferEqualsTheServiceForTheShippedModel) {
  ExpectInferEqualsService(folder_ + "/shipped", kStudent);
}

TEST_F(Trainer, ExportedCheckpointIsServed) {
  const std::string scores = folder_ + "/export_scores.json";
  WriteBytes(scores, R"({"image_fg_ari": 0.5, "video_fg_ari": 0.4, "image_mbo": 0.3,
                         "video_mbo": 0.2})");
  const std::string model = folder_ + "/exported/tiny/2";
  const auto run = Start({"export", "--run", whole_, "--to", model, "--recipe", "tiny.textproto",
                          "--data", "two clips", "--scores", "moving_solids=" + scores});
  ASSERT_EQ(run->Wait(kRunPatience), 0) << run->Output();
  EXPECT_TRUE(FileBytes(model + "/weights.safetensors") == ModelWeights(whole_));
  const std::string manifest = FileBytes(model + "/manifest.textproto");
  for (const char* part : {"version: \"2\"", "two clips", "tiny.textproto", "video_mbo"}) {
    EXPECT_THAT(manifest, HasSubstr(part));
  }
  ExpectInferEqualsService(folder_ + "/served", model);
}

TEST_F(Trainer, ConfigsThatCannotBeAreOneClearLine) {
  WriteBytes(folder_ + "/unknown.textproto", "nmae: \"x\"\n");
  struct Row {
    std::vector<std::string> set;
    const char* fragment;
  };
  const Row rows[] = {
      {{"loop.max_stepz=1"}, "max_stepz"},
      {{"loop.max_steps=many"}, "loop.max_steps"},
      {{"loop.max_steps=0"}, "loop.max_steps"},
      {{"model.encoder.input_height_px=113"}, "113"},
      {{"losses[0].name=hope"}, "hope"},
      {{"losses[0].name=slot_kd"}, "needs a teacher"},
      {{"losses[0].name=grouping"}, "grouping_head"},
      {{"data.datasets[0].path=no_such_clips"}, "no_such_clips"},
      {{"backbone=models/no_such"}, "models/no_such"},
      {{"teacher.path=models/no_such"}, "models/no_such"},
      {{"teacher.path=models/slotcontrast/1"}, "both must agree"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fragment);
    const auto run = StartTraining(folder_ + "/refused", {"--set", row.set[0]});
    EXPECT_EQ(run->Wait(kShortPatience), 78) << run->Output();
    ExpectLastErrorLine(*run, kProgram, row.fragment);
  }
}

TEST_F(Trainer, CommandLinesAndMissingFiles) {
  struct Row {
    std::vector<std::string> arguments;
    int code;
    const char* fragment;
  };
  WriteBytes(folder_ + "/typo.textproto", "nmae: \"x\"\n");
  const Row rows[] = {
      {{}, 64, "a command is needed"},
      {{"dance"}, 64, "dance"},
      {{"train"}, 64, "--config"},
      {{"train", "--config", "no_such.textproto"}, 66, "no_such.textproto"},
      {{"train", "--config", folder_ + "/typo.textproto"}, 78, "typo.textproto:1"},
      {{"evaluate"}, 64, "--model"},
      {{"evaluate", "--model", kStudent, "--data", "no_such_clips"}, 66, "no_such_clips"},
      {{"evaluate", "--model", kStudent, "--data", kSampleClips, "--split", "tset"}, 66, "tset"},
      {{"evaluate", "--model", "models/no_such", "--data", kSampleClips}, 66, "models/no_such"},
      {{"evaluate", "--model", "models/dinov2_vits14/1", "--data", kSampleClips}, 64, "backbone"},
      {{"evaluate", "--model", kStudent, "--data", kSampleClips, "--worst", "-1"}, 64, "--worst"},
      {{"evaluate", "--model", kStudent, "--data", kSampleClips, "--clip-frames", "x"},
       64,
       "clip-frames"},
      {{"describe"}, 64, "--config"},
      {{"describe", kStudent, "--frames", "0"}, 64, "--frames"},
      {{"describe", "models/no_such"}, 66, "models/no_such"},
      {{"describe", "--config", "no_such.textproto"}, 66, "no_such.textproto"},
      {{"describe", "--config", folder_ + "/typo.textproto"}, 78, "typo.textproto:1"},
      {{"infer", "--model", kStudent, "--video", "no_such.mp4", "--out", folder_ + "/x"},
       66,
       "no_such.mp4"},
      {{"infer", "--model", kStudent, "--video", kSampleVideo, "--out", Recipe() + "/x"},
       73,
       "recipe.textproto/x"},
      {{"export", "--run", folder_ + "/no_such_run", "--to", folder_ + "/y/z/1"},
       66,
       "no_such_run"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fragment);
    const auto run = Start(row.arguments);
    EXPECT_EQ(run->Wait(kShortPatience), row.code) << run->Output();
    ExpectLastErrorLine(*run, kProgram, row.fragment);
  }
}

TEST_F(Trainer, TellsAboutItself) {
  const auto version = Start({"--version"});
  ASSERT_EQ(version->Wait(kShortPatience), 0);
  EXPECT_THAT(version->Printed(), testing::StartsWith("slotmatch_trainer "));
  const auto help = Start({"train", "--help"});
  ASSERT_EQ(help->Wait(kShortPatience), 0);
  EXPECT_THAT(help->Printed(), HasSubstr("--resume"));
}

}  // namespace
}  // namespace slotmatch
