#include "tests/parity/transform_plan.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"

namespace slotmatch::parity {
namespace {

struct GeometryRow {
  const char* crop_type;  // "" when there is none
  config::Preprocessing::Geometry geometry;
};
constexpr GeometryRow kGeometries[] = {
    {"", config::Preprocessing::STRETCH},
    {"central", config::Preprocessing::CENTER_SQUARE},
    {"short_side_resize_central", config::Preprocessing::SHORT_SIDE},
};
constexpr char kBoxOfPicture[] = "random";                    // then resized
constexpr char kBoxOfResized[] = "short_side_resize_random";  // cut out of the resized picture

PixelBox BoxOf(const Fixture& fixture, const torch::Tensor& box) {
  if (!box.defined() || box.numel() != 4) fixture.Fail("a random crop without 'crop_box' [4]");
  const auto at = [&box](int64_t i) { return box[i].item<int>(); };
  return {at(0), at(1), at(2), at(3)};
}

}  // namespace

config::Preprocessing PreprocessingOf(const Fixture&, const nlohmann::json& config) {
  config::Preprocessing settings;
  if (config.value("use_movi_normalization", false)) {
    for (int c = 0; c < 3; ++c) {
      settings.add_mean(0.5f);
      settings.add_std(0.5f);
    }
  }
  return settings;
}

FrameTransform PlanOf(const Fixture& fixture, const nlohmann::json& config, PixelSize in, int side,
                      const torch::Tensor& box) {
  const std::string crop = config.value("crop_type", "");
  const PixelSize out{side, side};
  FrameTransform plan;
  if (crop == kBoxOfPicture) {
    plan = PlanResizedCrop(BoxOf(fixture, box), out);
  } else if (crop == kBoxOfResized) {
    const PixelBox at = BoxOf(fixture, box);
    plan = PlanCoveringCrop(in, out, at.top, at.left);
  } else {
    const GeometryRow* found = nullptr;
    for (const GeometryRow& row : kGeometries) {
      if (crop == row.crop_type) found = &row;
    }
    if (found == nullptr) fixture.Fail(absl::StrCat("unknown crop_type '", crop, "'"));
    plan = PlanTransform(found->geometry, in, out);
  }
  const double flip = config.value("h_flip_prob", 0.0);
  if (flip != 0 && flip != 1) fixture.Fail("h_flip_prob is neither 0 nor 1");
  plan.flip = flip == 1;
  return plan;
}

Image ImageOf(const torch::Tensor& bytes) {
  const torch::Tensor rows = bytes.contiguous();
  TORCH_CHECK(rows.dim() == 3 && rows.size(2) == 3 && rows.scalar_type() == torch::kUInt8,
              "a picture is [H, W, 3] bytes, got ", rows.sizes());
  const uint8_t* data = rows.data_ptr<uint8_t>();
  return {static_cast<int>(rows.size(1)), static_cast<int>(rows.size(0)),
          std::vector<uint8_t>(data, data + rows.numel())};
}

torch::Tensor Transformed(const Image& image, const FrameTransform& plan,
                          const config::Preprocessing& settings) {
  torch::Tensor out = torch::empty({3, plan.window.height, plan.window.width});
  TransformImage(image, plan, settings, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out;
}

torch::Tensor StandardDeviation(const torch::Tensor& values, int64_t axis) {
  return (values - values.mean(axis, /*keepdim=*/true)).square().mean(axis).sqrt();
}

}  // namespace slotmatch::parity
