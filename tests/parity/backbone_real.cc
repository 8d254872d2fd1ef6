// Released backbone weights on pictures of the data archives: decoded pixels, transformed pixels,
// tokens and keys.
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/image/image.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"
#include "core/nn/vit.h"
#include "core/weights/tensor_archive.h"
#include "tests/parity/model_of.h"
#include "tests/parity/parity_table.h"
#include "tests/parity/transform_plan.h"
#include "trainer/convert/checkpoint_kind.h"
#include "trainer/data/tar_file.h"

namespace slotmatch::parity {
namespace {

namespace fs = std::filesystem;

// Backbone weights in a file, by timm's names; empty when it holds none.
Tensors BackboneTensors(const std::string& path) {
  Tensors tensors;
  const auto archive = OpenTensorArchive(path);
  if (!archive.ok()) return tensors;
  const auto checkpoint = MapCheckpoint((*archive)->tensors(), MapRequest{});
  if (!checkpoint.ok() || checkpoint->kind->whole_model) return tensors;
  for (const auto& [key, view] : checkpoint->mapped.tensors) {
    tensors[key] = ToTorch(view).to(torch::kFloat32);
  }
  return tensors;
}

// Heads of the variant that has the width and depth of the weights.
int64_t HeadsOf(const Fixture& fixture, const Tensors& tensors) {
  const int64_t dim = Parameter(fixture, tensors, "cls_token").size(-1);
  for (const EncoderRow& row : EncoderTable()) {
    if (row.shape.dim == dim && row.shape.depth == CountBlocks(tensors, "blocks.")) {
      return row.shape.heads;
    }
  }
  fixture.Fail(absl::StrCat("no encoder row has the sizes of the weights, width ", dim));
}

// The backbone of the first file in `folder` whose tokens are `dim` wide.
Vit OpenBackbone(const Fixture& fixture, const std::string& folder, int64_t dim) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".safetensors") paths.push_back(it->path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const Tensors tensors = BackboneTensors(path);
    const auto cls = tensors.find("cls_token");
    if (cls == tensors.end() || cls->second.size(-1) != dim) continue;
    const Vit vit(VitShapeOf(fixture, tensors, "", HeadsOf(fixture, tensors)));
    LoadKnown(fixture, tensors, vit.ptr().get());
    return vit;
  }
  fixture.Fail(absl::StrCat("no backbone of width ", dim, " in ", folder, "; see --models"));
}

// Compares "PREFIX.in.NAME" where the fixture has it.
void CompareInput(const Fixture& fixture, const std::string& key, const torch::Tensor& ours,
                  Quantity quantity, Report* report) {
  if (fixture.Has(key)) {
    report->CompareWith(fixture, key, ours, fixture.Tensor(key), quantity);
  }
}

torch::Tensor Corner(const torch::Tensor& rows, const torch::Tensor& expected) {
  return rows.slice(0, 0, expected.size(0)).slice(1, 0, expected.size(1));
}

absl::StatusOr<std::string> TarMemberBytes(const std::string& tar, const std::string& name) {
  SM_ASSIGN_OR_RETURN(const TarListing listing, ListTar(tar));
  for (const TarMember& member : listing.members) {
    if (member.name != name) continue;
    SM_ASSIGN_OR_RETURN(TarMemberReader reader, TarMemberReader::Open(tar, member));
    std::string bytes(static_cast<size_t>(member.size), '\0');
    SM_RETURN_IF_ERROR(
        reader.Read(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size())));
    return bytes;
  }
  return absl::NotFoundError(absl::StrCat(tar, " has no member '", name, "'"));
}

Image OpenPicture(const Fixture& fixture, const Places& places, const nlohmann::json& where) {
  const auto names = where.get<std::vector<std::string>>();
  if (names.size() != 2) fixture.Fail("an entry of 'images' is not [tar, name]");
  const auto bytes = TarMemberBytes((fs::path(places.data) / names[0]).string(), names[1]);
  if (!bytes.ok()) fixture.Fail(absl::StrCat(bytes.status().message(), "; see --data"));
  auto image = DecodeImage(*bytes, ImageLimits{});
  TORCH_CHECK(image.ok(), names[1], ": ", std::string(image.status().message()));
  return *std::move(image);
}

void CompareDecoded(const Fixture& fixture, const std::string& prefix, const Image& image,
                    Report* report) {
  const torch::Tensor rows =
      torch::tensor(image.rgb, torch::kUInt8).view({image.height, image.width, 3});
  const std::string in = prefix + ".in.decoded_";
  CompareInput(fixture, in + "shape", torch::tensor(rows.sizes().vec(), torch::kInt64),
               Quantity::kEqual, report);
  CompareInput(fixture, in + "corner_u8", Corner(rows, fixture.Tensor(in + "corner_u8")),
               Quantity::kEqual, report);
  CompareInput(fixture, in + "mean", rows.to(torch::kFloat64).flatten(0, 1).mean(0),
               Quantity::kPixel, report);
}

void CompareTokens(const Fixture& fixture, const std::string& out, const VitFeatures& features,
                   Report* report) {
  const torch::Tensor tokens = features.tokens[0], wide = tokens.to(torch::kFloat64);
  const torch::Tensor index = fixture.Expected(out + "index");
  report->Compare(fixture, out + "tokens", tokens.index_select(0, index), Quantity::kToken);
  report->Compare(fixture, out + "keys", features.keys[0].index_select(0, index), Quantity::kToken);
  report->Compare(fixture, out + "token_mean", wide.mean(0), Quantity::kToken);
  report->Compare(fixture, out + "token_std", StandardDeviation(wide, 0), Quantity::kToken);
}

void CompareSize(const Fixture& fixture, const std::string& prefix, const std::string& size,
                 const Image& image, Vit vit, Report* report) {
  const nlohmann::json config = fixture.Setting("transforms").at(size);
  const int side = config.at("input_size").get<int>();
  const FrameTransform plan =
      PlanOf(fixture, config, {image.width, image.height}, side, torch::Tensor());
  const torch::Tensor pixels = Transformed(image, plan, PreprocessingOf(fixture, config));
  const torch::Tensor rows = pixels.permute({1, 2, 0}), wide = rows.to(torch::kFloat64);
  const std::string in = absl::StrCat(prefix, ".in.", size, ".");
  CompareInput(fixture, in + "corner", Corner(rows, fixture.Tensor(in + "corner")),
               Quantity::kPixel, report);
  CompareInput(fixture, in + "mean", wide.flatten(0, 1).mean(0), Quantity::kPixel, report);
  CompareInput(fixture, in + "std", StandardDeviation(wide.flatten(0, 1), 0), Quantity::kPixel,
               report);
  CompareTokens(fixture, absl::StrCat(prefix, ".out.", size, "."),
                vit->Features(pixels.unsqueeze(0)), report);
}

}  // namespace

void RunBackboneReal(const Fixture& fixture, const Places& places, Report* report) {
  torch::NoGradGuard no_grad;
  const nlohmann::json images = fixture.Setting("images");
  const nlohmann::json sizes = fixture.Setting("transforms");
  if (images.empty() || sizes.empty()) fixture.Fail("'images' or 'transforms' is empty");
  const std::string first = absl::StrCat("image0.out.", sizes.begin().key(), ".tokens");
  const Vit vit = OpenBackbone(fixture, places.models, fixture.Tensor(first).size(-1));
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string prefix = absl::StrCat("image", i);
    const Image image = OpenPicture(fixture, places, images[i]);
    CompareDecoded(fixture, prefix, image, report);
    for (const auto& [size, config] : sizes.items()) {
      CompareSize(fixture, prefix, size, image, vit, report);
    }
  }
}

}  // namespace slotmatch::parity
