// Frames and masks through the reference's transforms: whole results, or samples, moments and areas
// of large ones.
#include <torch/torch.h>

#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/parity/parity_table.h"
#include "tests/parity/transform_plan.h"

namespace slotmatch::parity {
namespace {

using torch::indexing::Slice;

// Truth of a dataset as planes of labels, and how a plane becomes channels.
struct TruthRow {
  const char* dataset;  // what the name of a config begins with
  const char* input;    // [T, H, W, planes], or [planes, H, W] of a still picture
  int first_label;      // one channel a label from this one; -1: the planes are the channels
};
constexpr TruthRow kTruths[] = {
    {"movi", "label", 0}, {"davis", "label", 1}, {"ytvis", "instances", -1}, {"coco", "coco", -1}};

// One config over one set of pictures. A still picture is the first frame of the video.
struct Job {
  std::string key;   // "data0.NAME."
  std::string data;  // "data0.in."
  nlohmann::json config;
  bool still;
};

PixelSize SizeOf(const torch::Tensor& plane) {
  return {static_cast<int>(plane.size(1)), static_cast<int>(plane.size(0))};
}

torch::Tensor Input(const Fixture& fixture, const Job& job) {
  const torch::Tensor video = fixture.Tensor(job.data + "video");
  const int side = job.config.at("input_size").get<int>();
  const std::string box = job.key + "crop_box";
  const FrameTransform plan = PlanOf(fixture, job.config, SizeOf(video[0]), side,
                                     fixture.Has(box) ? fixture.Tensor(box) : torch::Tensor());
  std::vector<torch::Tensor> frames;
  for (int64_t t = 0; t < (job.still ? 1 : video.size(0)); ++t) {
    frames.push_back(Transformed(ImageOf(video[t]), plan, PreprocessingOf(fixture, job.config)));
  }
  return job.still ? frames[0] : torch::stack(frames);
}

torch::Tensor Plane(const torch::Tensor& plane, const FrameTransform& plan) {
  const torch::Tensor from = plane.contiguous();
  const std::vector<uint8_t> out = TransformLabels(
      {from.data_ptr<uint8_t>(), static_cast<size_t>(from.numel())}, SizeOf(from), plan);
  return torch::tensor(out, torch::kUInt8).view({plan.window.height, plan.window.width});
}

// Channels [K, H, W] of one frame, whose planes lie along the first axis.
torch::Tensor Channels(const torch::Tensor& planes, const FrameTransform& plan, int first_label,
                       int64_t count) {
  std::vector<torch::Tensor> channels;
  for (int64_t k = 0; k < count; ++k) {
    if (first_label >= 0) {
      channels.push_back(Plane(planes[0], plan) == k + first_label);
    } else if (k < planes.size(0)) {
      channels.push_back(Plane(planes[k], plan) != 0);
    } else {
      channels.push_back(torch::zeros({plan.window.height, plan.window.width}, torch::kBool));
    }
  }
  return torch::stack(channels).to(torch::kUInt8);
}

torch::Tensor Masks(const Fixture& fixture, const Job& job) {
  const auto name = job.config.at("name").get<std::string>();
  const TruthRow* row = nullptr;
  for (const TruthRow& truth : kTruths) {
    if (absl::StartsWith(name, truth.dataset)) row = &truth;
  }
  if (row == nullptr) fixture.Fail(absl::StrCat("transform of an unknown dataset '", name, "'"));
  torch::Tensor planes = fixture.Tensor(job.data + row->input);  // -> [T, planes, H, W]
  planes = planes.dim() == 3 ? planes.unsqueeze(0) : planes.permute({0, 3, 1, 2});
  const auto count = job.config.at("num_classes").get<int64_t>();
  const int side = job.config.value("mask_size", job.config.at("input_size").get<int>());
  const FrameTransform plan = PlanOf(fixture, job.config, SizeOf(planes[0][0]), side, {});
  std::vector<torch::Tensor> frames;
  for (int64_t t = 0; t < planes.size(0); ++t) {
    frames.push_back(Channels(planes[t], plan, row->first_label, count));
  }
  return job.still ? frames[0] : torch::stack(frames);
}

// What a key says about a result: the whole of it, its moments, or rows and columns of it.
torch::Tensor Sample(const std::string& name, const torch::Tensor& whole,
                     const torch::Tensor& expected) {
  static const std::regex kEvery("every(\\d+)");
  const torch::Tensor wide = whole.to(torch::kFloat64);
  std::smatch match;
  int64_t step = 1;
  if (name == "mean") return wide.flatten(-2).mean(-1);
  if (name == "std") return StandardDeviation(wide.flatten(-2), -1);
  if (name == "area") return wide.flatten(-2).sum(-1);
  if (name == "corner") {
    return whole.index({"...", Slice(0, expected.size(-2)), Slice(0, expected.size(-1))});
  }
  if (std::regex_match(name, match, kEvery) && absl::SimpleAtoi(match[1].str(), &step)) {
    return whole.index(
        {"...", Slice(0, torch::indexing::None, step), Slice(0, torch::indexing::None, step)});
  }
  return whole;
}

void CompareSamples(const Fixture& fixture, const Job& job, Report* report) {
  torch::Tensor input, masks;
  const std::string prefix = job.key + "out.";
  for (const std::string& key : fixture.Keys(prefix)) {
    absl::string_view name = absl::string_view(key).substr(prefix.size());
    const bool of_masks = absl::ConsumePrefix(&name, "masks");
    torch::Tensor& whole = of_masks ? masks : input;
    if (!whole.defined()) whole = of_masks ? Masks(fixture, job) : Input(fixture, job);
    if (of_masks) absl::ConsumePrefix(&name, "_");
    report->Compare(fixture, key, Sample(std::string(name), whole, fixture.Tensor(key)),
                    of_masks ? Quantity::kEqual : Quantity::kPixel);
  }
}

}  // namespace

void RunTransforms(const Fixture& fixture, const Places&, Report* report) {
  const nlohmann::json configs = fixture.Setting("configs");
  for (const auto& [name, config] : configs.items()) {
    for (const std::string& video : fixture.Keys("data")) {
      if (!absl::EndsWith(video, ".in.video")) continue;
      const std::string data = video.substr(0, video.size() - std::string("in.video").size());
      const Job job{absl::StrCat(data, name, "."), data + "in.", config,
                    config.at("type").get<std::string>() == "image"};
      CompareSamples(fixture, job, report);
    }
  }
}

}  // namespace slotmatch::parity
