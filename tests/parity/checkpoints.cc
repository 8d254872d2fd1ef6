// A folder of weight files and what the reference computes with them: every file through import and
// model directory, as a user would.
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "core/weights/manifest.h"
#include "core/weights/tensor_archive.h"
#include "tests/parity/forward.h"
#include "tests/parity/parity_table.h"
#include "tests/support/temp_dir.h"
#include "trainer/convert/import_model.h"

namespace slotmatch::parity {
namespace {

namespace fs = std::filesystem;

// Name of an output of the whole model in the fixture, and the stage it is.
struct StageName {
  const char* key;
  const char* stage;
};
constexpr StageName kStages[] = {
    {"ckpt.out.backbone_features", "encoder.backbone_features"},
    {"ckpt.out.state", "processor.state"},
    {"ckpt.out.reconstruction", "decoder.reconstruction"},
    {"ckpt.out.masks", "decoder.masks"},
};

struct WeightFile {
  const Fixture& fixture;  // the expected values
  std::string path;
  Report* report;

  std::string name() const { return fs::path(path).filename().string(); }
  void Compare(const std::string& key, const torch::Tensor& ours, Quantity quantity) const {
    report->CompareWith(fixture, absl::StrCat(key, " of ", name()), ours, fixture.Expected(key),
                        quantity);
  }
  // False and a failed row when `status` is not OK.
  bool Succeeded(const absl::Status& status) const {
    if (!status.ok()) report->Check(fixture, name(), false, std::string(status.message()));
    return status.ok();
  }
};

ImportRequest RequestFor(const WeightFile& file, const TempDir& folder) {
  const Fixture& fixture = file.fixture;
  ImportRequest request;
  request.from = file.path;
  request.name = "imported";
  request.directory = folder.File("imported/1");
  request.hints.num_heads = fixture.Setting("vit_heads").get<int64_t>();
  request.hints.num_slots = fixture.Setting("shapes").at("N").get<int64_t>();
  return request;
}

void CompareBackbone(const WeightFile& file, const ModelFiles& files) {
  const auto shape = EncoderShape(files.manifest.model().encoder());
  if (!file.Succeeded(shape.status())) return;
  Vit vit(*shape);
  if (!file.Succeeded(LoadParameters(files.tensors, /*strict=*/false, vit.ptr().get()))) return;
  torch::NoGradGuard no_grad;
  const VitFeatures features = vit->Features(file.fixture.Tensor("vit.in.images"));
  file.Compare("vit.out.tokens", features.tokens, Quantity::kForward);
  file.Compare("vit.out.keys", features.keys, Quantity::kForward);
}

void CompareModel(const WeightFile& file, const ModelFiles& files, const TensorArchive& archive) {
  auto model = LoadVideoModel(files);
  if (!file.Succeeded(model.status())) return;
  torch::NoGradGuard no_grad;
  torch::Tensor noise;
  if (file.fixture.Has("ckpt.in.noise")) noise = file.fixture.Tensor("ckpt.in.noise");
  const Forward run = RunForward(*model, file.fixture.Tensor("ckpt.in.video"), noise);
  for (const StageName& name : kStages) {
    if (file.fixture.Has(name.key)) {
      file.Compare(name.key, run.outputs.at(name.stage), Quantity::kForward);
    }
  }
  const auto step = archive.metadata().find("global_step");
  int64_t steps = -1;
  if (step != archive.metadata().end()) (void)absl::SimpleAtoi(step->second, &steps);
  file.Compare("ckpt.global_step", torch::tensor(steps, torch::kInt64), Quantity::kEqual);
}

void CompareOddTensors(const WeightFile& file, const TensorArchive& archive) {
  for (const std::string& key : file.fixture.Keys("odd.")) {
    const TensorView* view = archive.Find(key.substr(4));
    file.Compare(key, view == nullptr ? torch::Tensor() : ToTorch(*view), Quantity::kEqual);
  }
}

void CompareFile(const WeightFile& file) {
  const auto archive = OpenTensorArchive(file.path);
  if (!file.Succeeded(archive.status())) return;
  if (!MapCheckpoint((*archive)->tensors(), MapRequest{}).ok()) {
    return CompareOddTensors(file, **archive);
  }
  const TempDir folder;
  const ImportRequest request = RequestFor(file, folder);
  const auto imported = ImportModel(request);
  if (!file.Succeeded(imported.status())) return;
  PartCache cache;
  const auto files = OpenModelDirectory(request.directory, &cache);
  if (!file.Succeeded(files.status())) return;
  if (imported->kind->whole_model) {
    CompareModel(file, *files, **archive);
  } else {
    CompareBackbone(file, *files);
  }
}

}  // namespace

void RunCheckpoints(const Fixture& fixture, const Places&, Report* report) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(fixture.directory())) {
    if (entry.is_regular_file() && entry.path().extension() != ".md" &&
        !fs::equivalent(entry.path(), fixture.path())) {
      paths.push_back(entry.path().string());
    }
  }
  if (paths.empty()) fixture.Fail("no weight file lies beside it");
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) CompareFile({fixture, path, report});
}

}  // namespace slotmatch::parity
