#include "tests/parity/model_of.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"

namespace slotmatch::parity {
namespace {

constexpr char kDecoder[] = "decoder.module.";
constexpr char kCorrector[] = "processor.module.corrector.";
constexpr char kPredictorBlocks[] = "processor.module.predictor.blocks.";

bool HasPrefix(const Tensors& parameters, const std::string& prefix) {
  const auto at = parameters.lower_bound(prefix);
  return at != parameters.end() && absl::StartsWith(at->first, prefix);
}

// <i> of "PREFIX<i>.rest"; -1 when the key is none of these.
int64_t IndexAfter(const std::string& key, const std::string& prefix) {
  int64_t index = -1;
  if (!absl::StartsWith(key, prefix)) return -1;
  const size_t dot = key.find('.', prefix.size());
  if (dot == std::string::npos) return -1;
  return absl::SimpleAtoi(key.substr(prefix.size(), dot - prefix.size()), &index) ? index : -1;
}

// Outputs of a decoder with so many channels per token.
config::DecoderConfig::Outputs OutputsOf(int64_t channels, int64_t tokens, bool similarity) {
  if (!similarity) return config::DecoderConfig::FEATURES;
  return channels == tokens ? config::DecoderConfig::SIMILARITY
                            : config::DecoderConfig::FEATURES_AND_SIMILARITY;
}

void SetMlpDecoder(const Fixture& fixture, const Tensors& decoder, bool similarity,
                   config::DecoderConfig* config) {
  std::vector<int64_t> widths = LinearWidths(decoder, "mlp.layers.");
  if (widths.empty()) fixture.Fail("the decoder's MLP has no layers");
  const int64_t channels = widths.back() - 1;  // the last one is alpha
  widths.pop_back();
  SetHidden(fixture, widths, config);
  config->set_kind("mlp");
  config->set_outputs(
      OutputsOf(channels, Parameter(fixture, decoder, "pos_emb").size(-2), similarity));
}

void SetSlotMixer(const Fixture& fixture, const Tensors& decoder, const ModelSettings& settings,
                  config::DecoderConfig* config) {
  std::vector<int64_t> widths = LinearWidths(decoder, "renderer.layers.");
  SetHidden(fixture, widths, config);
  config->set_num_hidden_layers(static_cast<int>(widths.size() - 1));
  config->set_kind("slot_mixer");
  config->set_allocator_blocks(static_cast<int>(CountBlocks(decoder, "allocator.blocks.")));
  config->set_allocator_heads(static_cast<int>(settings.decoder_heads));
  config->set_outputs(OutputsOf(Parameter(fixture, decoder, "output_transform.weight").size(0),
                                Parameter(fixture, decoder, "pos_emb").size(-2),
                                settings.similarity));
}

void SetDecoder(const Fixture& fixture, const Tensors& parameters, const ModelSettings& settings,
                config::DecoderConfig* config) {
  Tensors decoder;
  for (const auto& [key, tensor] : parameters) {
    if (absl::StartsWith(key, kDecoder)) decoder[key.substr(sizeof(kDecoder) - 1)] = tensor;
  }
  if (decoder.empty()) return SetHidden(fixture, {1}, config);
  if (HasPrefix(decoder, "mlp.")) {
    SetMlpDecoder(fixture, decoder, settings.similarity, config);
  } else if (HasPrefix(decoder, "allocator.")) {
    SetSlotMixer(fixture, decoder, settings, config);
  } else {
    fixture.Fail("the decoder is of an unknown kind");
  }
}

void SetEncoder(const Fixture& fixture, const VitShape& shape, const ModelSettings& settings,
                config::EncoderConfig* encoder) {
  const auto row = std::find_if(EncoderTable().begin(), EncoderTable().end(),
                                [&shape](const EncoderRow& candidate) {
                                  return candidate.shape.patch_px == shape.patch_px &&
                                         candidate.shape.layer_scale == shape.layer_scale;
                                });
  if (row == EncoderTable().end()) fixture.Fail("no encoder row has this kind of backbone");
  encoder->set_variant(row->name);
  encoder->set_embed_dim(static_cast<int>(shape.dim));
  encoder->set_num_heads(static_cast<int>(shape.heads));
  encoder->set_depth(static_cast<int>(shape.depth));
  encoder->set_pos_grid(static_cast<int>(shape.pos_grid));
  encoder->set_input_height_px(static_cast<int>(settings.height_px));
  encoder->set_input_width_px(static_cast<int>(settings.width_px));
}

void SetPredictor(int64_t blocks, const ModelSettings& settings,
                  config::PredictorConfig* predictor) {
  if (blocks == 0) return predictor->set_kind("none");
  predictor->set_num_blocks(static_cast<int>(blocks));
  predictor->set_num_heads(static_cast<int>(settings.predictor_heads));
}

config::ModelConfig ConfigOf(const Fixture& fixture, const Tensors& parameters,
                             const ModelSettings& settings) {
  config::ModelConfig config;
  config.set_num_slots(static_cast<int>(settings.num_slots));
  config.set_slot_dim(static_cast<int>(
      Parameter(fixture, parameters, absl::StrCat(kCorrector, "to_q.weight")).size(0)));
  SetEncoder(fixture, VitShapeOf(fixture, parameters, kBackbonePrefix, settings.vit_heads),
             settings, config.mutable_encoder());
  const bool fixed = parameters.count("initializer.slots") > 0;
  config.mutable_slot_init()->set_kind(fixed ? "fixed_learned" : "random");
  if (fixed) {
    config.set_num_slots(static_cast<int>(parameters.at("initializer.slots").size(1)));
  }
  auto* attention = config.mutable_slot_attention();
  attention->set_first_frame_iterations(static_cast<int>(settings.first_iterations));
  attention->set_iterations(static_cast<int>(settings.iterations));
  attention->set_use_mlp(HasPrefix(parameters, absl::StrCat(kCorrector, "mlp.")));
  SetPredictor(CountBlocks(parameters, kPredictorBlocks), settings, config.mutable_predictor());
  SetDecoder(fixture, parameters, settings, config.mutable_decoder());
  return config;
}

}  // namespace

ModelSettings SettingsOf(const Fixture& fixture, const std::string& heads,
                         const torch::Tensor& frames) {
  ModelSettings settings;
  settings.vit_heads = fixture.Setting(heads).get<int64_t>();
  settings.predictor_heads = fixture.Setting("predictor_heads").get<int64_t>();
  if (fixture.HasSetting("decoder_heads")) {
    settings.decoder_heads = fixture.Setting("decoder_heads").get<int64_t>();
  }
  const nlohmann::json iterations = fixture.Setting("iters");
  settings.first_iterations = iterations.at("first_frame").get<int64_t>();
  settings.iterations = iterations.at("other").get<int64_t>();
  settings.height_px = frames.size(-2);
  settings.width_px = frames.size(-1);
  settings.num_slots = fixture.Setting("shapes").at("N").get<int64_t>();
  settings.similarity = fixture.Setting("loss_weights").contains("loss_timesim");
  return settings;
}

int64_t CountBlocks(const Tensors& parameters, const std::string& prefix) {
  std::set<int64_t> blocks;
  for (const auto& [key, tensor] : parameters) blocks.insert(IndexAfter(key, prefix));
  blocks.erase(-1);
  return static_cast<int64_t>(blocks.size());
}

std::vector<int64_t> LinearWidths(const Tensors& parameters, const std::string& prefix) {
  std::map<int64_t, int64_t> widths;
  for (const auto& [key, tensor] : parameters) {
    const int64_t index = IndexAfter(key, prefix);
    if (index >= 0 && tensor.dim() == 2) widths[index] = tensor.size(0);
  }
  std::vector<int64_t> result;
  for (const auto& [index, width] : widths) result.push_back(width);
  return result;
}

void SetHidden(const Fixture& fixture, const std::vector<int64_t>& widths,
               config::DecoderConfig* decoder) {
  const std::set<int64_t> different(widths.begin(), widths.end());
  if (different.size() != 1) fixture.Fail("the decoder's hidden layers differ in width, or none");
  decoder->set_hidden_dim(static_cast<int>(widths.front()));
  decoder->set_num_hidden_layers(static_cast<int>(widths.size()));
}

torch::Tensor Parameter(const Fixture& fixture, const Tensors& parameters, const std::string& key) {
  const auto found = parameters.find(key);
  if (found == parameters.end()) fixture.Fail(absl::StrCat("parameter '", key, "' is missing"));
  return found->second;
}

VitShape VitShapeOf(const Fixture& fixture, const Tensors& parameters, const std::string& prefix,
                    int64_t heads) {
  const torch::Tensor patch = Parameter(fixture, parameters, prefix + "patch_embed.proj.weight");
  const torch::Tensor positions = Parameter(fixture, parameters, prefix + "pos_embed");
  if (patch.dim() != 4 || positions.dim() != 3) fixture.Fail("the backbone is misshapen");
  VitShape shape;
  shape.patch_px = patch.size(2);
  shape.dim = patch.size(0);
  shape.depth = CountBlocks(parameters, prefix + "blocks.");
  shape.heads = heads;
  shape.layer_scale = parameters.count(prefix + "blocks.0.ls1.gamma") > 0;
  shape.pos_grid = std::lround(std::sqrt(static_cast<double>(positions.size(1) - 1)));
  return shape;
}

VideoModel ModelOf(const Fixture& fixture, const Tensors& parameters, const ModelSettings& settings,
                   torch::ScalarType dtype) {
  const config::ModelConfig config = ConfigOf(fixture, parameters, settings);
  const absl::Status valid = ValidateModelConfig(config);
  if (!valid.ok()) fixture.Fail(std::string(valid.message()));
  VideoModel model(config);
  model->to(dtype);
  Tensors all = parameters;
  if (!HasPrefix(parameters, kDecoder)) {
    for (const auto& [key, tensor] : NamedTensors(*model, {})) {
      if (absl::StartsWith(key, kDecoder)) all[key] = tensor;
    }
  }
  Load(fixture, all, model.ptr().get());
  return model;
}

namespace {

void LoadInto(const Fixture& fixture, const Tensors& parameters, bool strict,
              torch::nn::Module* module) {
  Tensors owned;
  std::map<std::string, TensorView> views;
  for (const auto& [key, tensor] : parameters) {
    owned[key] = tensor.contiguous();
    views.emplace(key, ToView(owned[key]));
  }
  const absl::Status loaded = LoadParameters(views, strict, module);
  if (!loaded.ok()) fixture.Fail(std::string(loaded.message()));
}

}  // namespace

void Load(const Fixture& fixture, const Tensors& parameters, torch::nn::Module* module) {
  LoadInto(fixture, parameters, /*strict=*/true, module);
}

void LoadKnown(const Fixture& fixture, const Tensors& parameters, torch::nn::Module* module) {
  LoadInto(fixture, parameters, /*strict=*/false, module);
}

}  // namespace slotmatch::parity
