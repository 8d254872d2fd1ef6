#pragma once

#include <string>

#include "core/model/video_model.h"
#include "slotmatch/config/model.pb.h"
#include "tests/parity/fixture.h"

namespace slotmatch::parity {

// What the shapes of a model's parameters do not tell.
struct ModelSettings {
  int64_t vit_heads = 0, predictor_heads = 0, decoder_heads = 0;
  int64_t first_iterations = 0, iterations = 0;
  int64_t height_px = 0, width_px = 0;
  int64_t num_slots = 0;
  bool similarity = false;  // the decoder predicts similarity to the next frame
};

// Settings of a whole-model fixture; `heads` is the key of the backbone's head count, `frames`
// [..., H, W] what the model sees.
ModelSettings SettingsOf(const Fixture& fixture, const std::string& heads,
                         const torch::Tensor& frames);

// Number of different <i> among the keys "PREFIX<i>.*".
int64_t CountBlocks(const Tensors& parameters, const std::string& prefix);
// Output widths of the linear layers "PREFIX<i>.weight" that have two dimensions, by <i>.
std::vector<int64_t> LinearWidths(const Tensors& parameters, const std::string& prefix);
// Settings of a decoder whose hidden layers have these widths; FixtureError when they differ.
void SetHidden(const Fixture& fixture, const std::vector<int64_t>& widths,
               config::DecoderConfig* decoder);
// A parameter; throws FixtureError when it is missing.
torch::Tensor Parameter(const Fixture& fixture, const Tensors& parameters, const std::string& key);

// Shape of the backbone whose parameters (timm names) begin with `prefix`.
VitShape VitShapeOf(const Fixture& fixture, const Tensors& parameters, const std::string& prefix,
                    int64_t heads);

// The model whose parameters (reference names) these are, filled with them, of type `dtype`. A
// model without decoder parameters keeps a decoder of its own, which then must not be asked.
VideoModel ModelOf(const Fixture& fixture, const Tensors& parameters, const ModelSettings& settings,
                   torch::ScalarType dtype);

// Copies parameters into a module; FixtureError lists those missing, left over or misshapen.
void Load(const Fixture& fixture, const Tensors& parameters, torch::nn::Module* module);
// The same, leaving out what the module has no place for.
void LoadKnown(const Fixture& fixture, const Tensors& parameters, torch::nn::Module* module);

}  // namespace slotmatch::parity
