#include <cstdio>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "trainer/commands/commands.h"
#include "trainer/convert/import_model.h"
#include "trainer/convert/key_report.h"

namespace slotmatch {
namespace {

struct ImportArguments {
  ImportRequest request;
  std::string input_size;
  std::string report;
  bool verbose = false;
};

std::string KindHelp() {
  return absl::StrCat(
      "auto, or ",
      absl::StrJoin(CheckpointKinds(), ", ", [](std::string* out, const CheckpointKind& row) {
        absl::StrAppend(out, row.name, " (", row.what, ")");
      }));
}

void AddOptions(ImportArguments* arguments, OptionTable* options) {
  ImportRequest& request = arguments->request;
  options->Text("from", "FILE", "weights: safetensors, torch.save (.pth, .bin, .ckpt) or ONNX",
                &request.from);
  options->Text("as", "NAME", "name of the model, e.g. dinov2_vitb14", &request.name);
  options->Text("to", "DIR", "where to write it, by default models/NAME/1", &request.directory);
  options->Text("kind", "KIND", KindHelp(), &request.map.kind);
  options->Text("prefix", "TEXT", "of the model's keys, where a file holds several models",
                &request.map.prefix);
  options->Repeated("ignore", "TEXT", "leave out the keys that begin so, after the prefix",
                    &request.map.ignored);
  options->Integer("num-slots", "N", "slots of a model whose slots start at random",
                   &request.hints.num_slots);
  options->Integer("num-heads", "N", "attention heads of an encoder of unknown width",
                   &request.hints.num_heads);
  options->Text("input-size", "WxH", "pixels of the input, where the decoder's grid is no square",
                &arguments->input_size);
  options->Text("dtype", "TYPE", "keep, f32, f16 or bf16", &request.dtype);
  options->Text("backbone", "DIR", "share the encoder of this model directory if it is the same",
                &request.backbone);
  options->Repeated("set", "PATH=VALUE",
                    "a field of the manifest, e.g. model.predictor.num_heads=8", &request.settings);
  options->Text("report", "FILE", "write what became of every key", &arguments->report);
  options->Flag("verbose", "print what became of every key", &arguments->verbose);
}

absl::Status ReadInputSize(const std::string& text, ImportHints* hints) {
  if (text.empty()) return absl::OkStatus();
  const std::vector<std::string> sides = absl::StrSplit(text, 'x');
  if (sides.size() == 2 && absl::SimpleAtoi(sides[0], &hints->input_width_px) &&
      absl::SimpleAtoi(sides[1], &hints->input_height_px) && hints->input_width_px > 0 &&
      hints->input_height_px > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("--input-size '" + text + "' is not WIDTHxHEIGHT");
}

void PrintModel(const ImportResult& result, const std::string& directory) {
  const config::ModelConfig& model = result.manifest.model();
  std::printf("encoder %s", model.encoder().variant().c_str());
  if (result.kind->whole_model) {
    std::printf(", input %dx%d; %d slots of %d, start %s; predictor %s, decoder %s",
                model.encoder().input_width_px(), model.encoder().input_height_px(),
                model.num_slots(), model.slot_dim(), model.slot_init().kind().c_str(),
                model.predictor().kind().c_str(), model.decoder().kind().c_str());
  }
  std::printf("\n-> %s\n", directory.c_str());
}

}  // namespace

absl::Status ImportCommand(int argc, char** argv) {
  ImportArguments arguments;
  OptionTable options("slotmatch_trainer import",
                      "Turns published weights into a model directory: DINO and DINOv2 backbones, "
                      "SlotContrast, VideoSAUR and DINOSAUR checkpoints.");
  AddOptions(&arguments, &options);
  SM_RETURN_IF_ERROR(options.Parse(argc, argv).status());
  if (options.PrintedAnswer(TorchLibraries())) return absl::OkStatus();
  ImportRequest& request = arguments.request;
  if (request.from.empty() || request.name.empty()) {
    return absl::InvalidArgumentError("import needs --from FILE and --as NAME");
  }
  if (request.name[0] == '.' || request.name.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--as '", request.name,
                     "' is no name such as dinov2_vitb14; --to DIR says where to write"));
  }
  if (request.directory.empty()) request.directory = absl::StrCat("models/", request.name, "/1");
  SM_RETURN_IF_ERROR(ReadInputSize(arguments.input_size, &request.hints));
  SM_ASSIGN_OR_RETURN(const ImportResult result, ImportModel(request));
  std::printf("%s: %s%s\n", std::filesystem::path(request.from).filename().c_str(),
              result.kind->what,
              result.prefix.empty() ? "" : (", keys below '" + result.prefix + "'").c_str());
  std::printf("%s\n", SummarizeKeys(result.uses).c_str());
  if (arguments.verbose) std::printf("%s", ListKeys(result.uses).c_str());
  PrintModel(result, request.directory);
  if (arguments.report.empty()) return absl::OkStatus();
  return WriteFileAtomically(arguments.report, ListKeys(result.uses));
}

}  // namespace slotmatch
