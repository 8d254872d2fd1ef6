#include "tests/parity/forward.h"

#include <torch/torch.h>

namespace slotmatch::parity {
namespace {

void Encode(VideoModel model, const torch::Tensor& clips, Forward* run) {
  torch::NoGradGuard no_grad;
  const std::vector<int64_t> lead{clips.size(0), clips.size(1)};
  const VitFeatures features = model->backbone()->Features(clips.flatten(0, 1));
  run->in.tokens = model->NormalizeTokens(features.tokens.unflatten(0, lead));
  run->outputs["encoder.backbone_features"] = run->in.tokens;
  run->in.keys = features.keys.unflatten(0, lead);
  run->outputs["encoder.keys"] = run->in.keys;
}

// What the reference calls reconstruction: all channels of the decoder.
torch::Tensor Channels(const DecodeResult& decoded) {
  if (!decoded.similarity.defined()) return decoded.reconstruction;
  if (!decoded.reconstruction.defined()) return decoded.similarity;
  return torch::cat({decoded.reconstruction, decoded.similarity}, -1);
}

}  // namespace

Forward RunForward(VideoModel model, const torch::Tensor& clips, const torch::Tensor& noise) {
  Forward run;
  run.in.model = model;
  Encode(model, clips, &run);
  const torch::Tensor features = model->Transform(run.in.tokens);
  const SlotState start = model->InitialState(features.size(0), noise);
  run.in.scan = model->Scan(features, start);
  run.in.decoded = model->Decode(run.in.scan.slots);
  run.outputs["encoder.features"] = features;
  run.outputs["initial_slots"] = start.slots;
  run.outputs["processor.state"] = run.in.scan.slots;
  run.outputs["processor.state_predicted"] = run.in.scan.slots_predicted;
  run.outputs["processor.corrector.masks"] = run.in.scan.attention;
  run.outputs["decoder.reconstruction"] = Channels(run.in.decoded);
  run.outputs["decoder.masks"] = run.in.decoded.masks;
  return run;
}

}  // namespace slotmatch::parity
