// A whole model over clips: every stage's output, losses, gradients of the weighted sum, and the
// masks resized to a picture with their argmax.
#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "core/track/mask_stats.h"
#include "tests/parity/forward.h"
#include "tests/parity/loss_names.h"
#include "tests/parity/model_of.h"
#include "tests/parity/parity_table.h"
#include "trainer/loss/losses.h"

namespace slotmatch::parity {
namespace {

struct Run : Forward {
  torch::Tensor total;  // weighted sum of the losses
};

void Losses(const Fixture& fixture, Run* run) {
  for (const config::LossConfig& loss : LossesOf(fixture)) {
    const auto row = FindLoss(loss.name());
    TORCH_CHECK(row.ok(), std::string(row.status().message()));
    const torch::Tensor value = (*row)->function(run->in, loss);
    run->outputs[LossReference(loss.name())] = value;
    if (loss.name() == "feature_similarity") {
      run->outputs["timesim_target"] =
          SimilarityTarget(run->in.keys, {}, loss.temperature(), loss.similarity_threshold())
              .flatten(1, 2);
    }
    run->total = run->total.defined() ? run->total + loss.weight() * value : loss.weight() * value;
  }
  run->outputs["loss"] = run->total;
}

// Soft masks [B, T, K, N] at a picture's size: [B, T, K, H, W], and the label maps [B, T, H, W].
struct Resized {
  torch::Tensor soft, labels;
};

Resized Resize(const VideoModel& model, const torch::Tensor& masks, int64_t height, int64_t width) {
  const torch::Tensor flat = masks.detach().to(torch::kFloat32).flatten(0, 1).contiguous();
  const int64_t frames = flat.size(0), slots = flat.size(1), grid = flat[0].numel();
  Resized result{torch::empty({frames, slots, height, width}),
                 torch::empty({frames, height, width}, torch::kUInt8)};
  const int sizes[] = {static_cast<int>(slots), static_cast<int>(model->grid_height()),
                       static_cast<int>(model->grid_width()), static_cast<int>(height),
                       static_cast<int>(width)};
  for (int64_t i = 0; i < frames; ++i) {
    const auto frame = absl::MakeConstSpan(flat.data_ptr<float>() + i * grid, grid);
    const std::vector<float> soft =
        ResizeSoftMasks(frame, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
    std::copy(soft.begin(), soft.end(), result.soft[i].data_ptr<float>());
    const Segmentation hard =
        SegmentFromSoftMasks(frame, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
    std::copy(hard.map.labels.begin(), hard.map.labels.end(), result.labels[i].data_ptr<uint8_t>());
  }
  const std::vector<int64_t> lead{masks.size(0), masks.size(1)};
  return {result.soft.unflatten(0, lead), result.labels.unflatten(0, lead)};
}

// Labels are equal, or the two slots' masks are as close there as masks have to be.
void CompareLabels(const Fixture& fixture, const std::string& key, const Resized& ours,
                   Report* report) {
  if (!fixture.Has(key)) return;
  const torch::Tensor expected = fixture.Expected(key);
  if (expected.sizes() != ours.labels.sizes()) {
    return report->CompareWith(fixture, key, ours.labels, expected, Quantity::kEqual);
  }
  const auto value_of = [&](const torch::Tensor& labels) {
    return ours.soft.gather(2, labels.to(torch::kInt64).unsqueeze(2)).squeeze(2);
  };
  report->CompareWith(fixture, key, value_of(ours.labels), value_of(expected), Quantity::kForward);
}

void CompareMasks(const Fixture& fixture, const Run& run, const torch::Tensor& video,
                  Report* report) {
  const torch::Tensor& decoder = run.outputs.at("decoder.masks");
  const Resized seen = Resize(run.in.model, decoder, video.size(-2), video.size(-1));
  if (fixture.Has("out.decoder_masks")) {
    report->Compare(fixture, "out.decoder_masks", seen.soft, Quantity::kForward);
  }
  CompareLabels(fixture, "out.decoder_masks_vis_index", seen, report);
  CompareLabels(fixture, "out.grouping_masks_vis_index",
                Resize(run.in.model, run.outputs.at("processor.corrector.masks"), video.size(-2),
                       video.size(-1)),
                report);
  const char kMetrics[] = "out.decoder_masks_metrics_index";
  if (!fixture.Has(kMetrics)) return;
  const auto size = fixture.Setting("seg_size").get<std::vector<int64_t>>();
  if (size.size() != 2) fixture.Fail("setting 'seg_size' is not [height, width]");
  CompareLabels(fixture, kMetrics, Resize(run.in.model, decoder, size[0], size[1]), report);
}

Run RunModel(const Fixture& fixture, const torch::Tensor& video, torch::ScalarType dtype) {
  const VideoModel model = ModelOf(fixture, fixture.Under("param.", dtype),
                                   SettingsOf(fixture, "vit_heads", video), dtype);
  torch::Tensor noise;
  if (fixture.Has("in.noise")) noise = fixture.Tensor("in.noise", dtype);
  Run run{RunForward(model, video, noise), {}};
  Losses(fixture, &run);
  return run;
}

void CompareOutputs(const Fixture& fixture, const Run& run, const std::string& prefix,
                    Quantity forward, Quantity loss, Report* report) {
  for (const auto& [name, value] : run.outputs) {
    const std::string key = prefix + name;
    if (!fixture.Has(key)) continue;
    report->Compare(fixture, key, value, name.rfind("loss", 0) == 0 ? loss : forward);
  }
}

}  // namespace

void RunVideo(const Fixture& fixture, const Places&, Report* report) {
  const torch::Tensor video = fixture.Tensor("in.video");
  Run run = RunModel(fixture, video, torch::kFloat32);
  CompareOutputs(fixture, run, "out.", Quantity::kForward, Quantity::kLoss, report);
  CompareMasks(fixture, run, video, report);
  run.total.backward();
  for (const auto& item : run.in.model->named_parameters()) {
    const std::string key = "grad." + item.key();
    if (fixture.Has(key)) report->Compare(fixture, key, item.value().grad(), Quantity::kGradient);
  }
  if (fixture.Keys("out64.").empty()) return;
  const Run wide = RunModel(fixture, video.to(torch::kFloat64), torch::kFloat64);
  CompareOutputs(fixture, wide, "out64.", Quantity::kForward64, Quantity::kForward64, report);
}

}  // namespace slotmatch::parity
