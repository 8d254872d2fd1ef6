#include "core/model/model_cost.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/status.h"
#include "core/model/decoder/decoder.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"

namespace slotmatch {
namespace {

// Sizes that costs are made of; letters as in docs/shapes.md.
struct Sizes {
  VitShape vit;
  double tokens;  // N
  double slots;   // K
  double slot_dim;
  const config::ModelConfig& config;
  double dim() const { return static_cast<double>(vit.dim); }  // D
};

Sizes SizesOf(const config::ModelConfig& config, const VitShape& vit) {
  const auto& encoder = config.encoder();
  const int64_t grid =
      (encoder.input_height_px() / vit.patch_px) * (encoder.input_width_px() / vit.patch_px);
  return {vit, static_cast<double>(grid), static_cast<double>(config.num_slots()),
          static_cast<double>(config.slot_dim()), config};
}

FrameMacs Every(double macs) { return {macs, macs, 0}; }

// Patch embedding; qkv, projection and MLP of every block over N + 1 tokens; Q K^T and A V.
FrameMacs BackboneMacs(const Sizes& s) {
  const double sequence = s.tokens + 1, depth = static_cast<double>(s.vit.depth);
  const double patch =
      s.tokens * 3 * static_cast<double>(s.vit.patch_px * s.vit.patch_px) * s.dim();
  const double attention = depth * 2 * sequence * sequence * s.dim();
  FrameMacs macs = Every(patch + depth * 12 * s.dim() * s.dim() * sequence + attention);
  macs.attention = attention;
  return macs;
}

FrameMacs TransformMacs(const Sizes& s) {
  return Every(s.tokens * (s.dim() * 2 * s.dim() + 2 * s.dim() * s.slot_dim));
}

// Keys and values once; query, logits, updates, GRU and MLP in every iteration.
FrameMacs SlotAttentionMacs(const Sizes& s) {
  const auto& attention = s.config.slot_attention();
  const double square = s.slot_dim * s.slot_dim;
  const double iteration = s.slots * square * (1 + 6 + (attention.use_mlp() ? 8 : 0)) +
                           2 * s.tokens * s.slots * s.slot_dim;
  const double once = 2 * s.tokens * square;
  // Without a predictor every frame is a first one.
  const bool recurrent = s.config.predictor().kind() != "none";
  const int later = recurrent ? attention.iterations() : attention.first_frame_iterations();
  return {once + attention.first_frame_iterations() * iteration, once + later * iteration, 0};
}

// A pre-norm block of `queries` over `keys`, each of which has its own projections.
double BlockMacs(double queries, double keys, double dim) {
  const double query_side = queries * (1 + 1 + 8) * dim * dim;  // query, output, MLP
  return query_side + keys * 2 * dim * dim + 2 * queries * keys * dim;
}

FrameMacs PredictorMacs(const Sizes& s) {
  return Every(s.config.predictor().num_blocks() * BlockMacs(s.slots, s.slots, s.slot_dim));
}

struct DecoderNumbers {
  double hidden, layers, channels;
};

DecoderNumbers NumbersOf(const Sizes& s) {
  const auto& decoder = s.config.decoder();
  const DecoderSizes sizes{s.config.slot_dim(), static_cast<int64_t>(s.tokens), s.vit.dim};
  return {static_cast<double>(decoder.hidden_dim()),
          static_cast<double>(decoder.num_hidden_layers()),
          static_cast<double>(OutputChannels(sizes, decoder.outputs()))};
}

// The MLP for every slot and token, and the sum weighted by the masks.
double MlpDecoderMacs(const Sizes& s) {
  const auto [hidden, layers, channels] = NumbersOf(s);
  const double pair =
      s.slot_dim * hidden + (layers - 1) * hidden * hidden + hidden * (channels + 1) + channels;
  return s.slots * s.tokens * pair;
}

double SlotMixerMacs(const Sizes& s) {
  const auto [hidden, layers, channels] = NumbersOf(s);
  const double square = s.slot_dim * s.slot_dim;
  const double allocate =
      s.config.decoder().allocator_blocks() * BlockMacs(s.tokens, s.slots, s.slot_dim);
  const double mix = (s.tokens + s.slots) * square + 2 * s.tokens * s.slots * s.slot_dim;
  const double render = s.slot_dim * hidden + layers * hidden * hidden + hidden * channels;
  return allocate + mix + s.tokens * render;
}

// By kind of the decoder table: cost, and how many copies of the hidden layer a token has.
struct DecoderCostRow {
  const char* kind;
  double (*macs)(const Sizes& sizes);
  bool hidden_per_slot;
};
constexpr DecoderCostRow kDecoderCosts[] = {
    {"mlp", MlpDecoderMacs, true},
    {"slot_mixer", SlotMixerMacs, false},
};

absl::StatusOr<DecoderCostRow> DecoderCost(const std::string& kind) {
  for (const DecoderCostRow& row : kDecoderCosts) {
    if (kind == row.kind) return row;
  }
  return absl::UnimplementedError("costs of decoder '" + kind + "' are not known");
}

// A module: how its weights begin, without the reference's ".module" wrappers of video models.
struct ModuleRow {
  const char* name;
  const char* prefix;
  FrameMacs (*macs)(const Sizes& sizes);  // null: nothing when serving, or counted elsewhere
};
constexpr ModuleRow kModules[] = {
    {"backbone", "encoder.backbone.", BackboneMacs},
    {"output transform", "encoder.output_transform.", TransformMacs},
    {"feature position", "encoder.position", nullptr},
    {"initial slots", "initializer.", nullptr},
    {"slot attention", "processor.corrector.", SlotAttentionMacs},
    {"predictor", "processor.predictor.", PredictorMacs},
    {"decoder position", "decoder.pos_emb", nullptr},
    {"decoder", "decoder.", nullptr},
    {"grouping head", "grouping_head.", nullptr},
    {"token statistics", "target_norm.", nullptr},
};

double ActivationValues(const Sizes& s, bool hidden_per_slot) {
  const double sequence = s.tokens + 1, heads = static_cast<double>(s.vit.heads);
  // Residual, normed, q, k, v, and logits with their softmax; or residual, normed, the hidden layer
  // before and after its activation.
  const double attention = 5 * sequence * s.dim() + 2 * heads * sequence * sequence;
  const double mlp = 10 * sequence * s.dim();
  const double hidden =
      2 * s.tokens * s.config.decoder().hidden_dim() * (hidden_per_slot ? s.slots : 1.0);
  return std::max({attention, mlp, hidden});
}

// Parameters by module. All blocks of the backbone are alike, so that one is built.
absl::StatusOr<std::map<std::string, int64_t>> CountParameters(const config::ModelConfig& config,
                                                               VitShape vit) try {
  std::map<std::string, int64_t> counts;
  const VideoModel head(config, WithEncoder::kNo);
  for (const auto& item : head->named_parameters()) {
    counts[ModuleOfKey(item.key())] += item.value().numel();
  }
  const int64_t depth = vit.depth;
  vit.depth = 1;
  const Vit backbone(vit);
  for (const auto& item : backbone->named_parameters()) {
    counts[ModuleOfKey(kBackbonePrefix)] +=
        item.value().numel() * (absl::StartsWith(item.key(), "blocks.") ? depth : 1);
  }
  return counts;
} catch (const std::exception& error) {  // LibTorch throws where memory ends
  return absl::ResourceExhaustedError(absl::StrCat("the model cannot be built: ", error.what()));
}

}  // namespace

std::string ModuleOfKey(const std::string& key) {
  const std::string plain = absl::StrReplaceAll(key, {{".module.", "."}});
  for (const ModuleRow& row : kModules) {
    if (absl::StartsWith(plain, row.prefix)) return row.name;
  }
  return "other";
}

int64_t ModelCost::Parameters() const {
  int64_t sum = 0;
  for (const ModuleCost& module : modules) sum += module.parameters;
  return sum;
}

int64_t ModelCost::TrainableParameters() const {
  int64_t sum = 0;
  for (const ModuleCost& module : modules) sum += module.trainable ? module.parameters : 0;
  return sum;
}

FrameMacs ModelCost::Macs() const {
  FrameMacs sum;
  for (const ModuleCost& module : modules) {
    sum.first += module.macs.first;
    sum.later += module.macs.later;
    sum.attention += module.macs.attention;
  }
  return sum;
}

absl::StatusOr<ModelCost> CountModel(const config::ModelConfig& config) {
  SM_RETURN_IF_ERROR(ValidateModelConfig(config));
  SM_ASSIGN_OR_RETURN(const VitShape vit, EncoderShape(config.encoder()));
  SM_ASSIGN_OR_RETURN(const DecoderCostRow decoder, DecoderCost(config.decoder().kind()));
  const Sizes sizes = SizesOf(config, vit);
  SM_ASSIGN_OR_RETURN(auto parameters, CountParameters(config, vit));
  ModelCost cost;
  for (const ModuleRow& row : kModules) {
    const auto found = parameters.find(row.name);
    if (found == parameters.end()) continue;
    ModuleCost module{row.name, found->second, row.name != ModuleOfKey(kBackbonePrefix), {}};
    if (row.macs != nullptr) module.macs = row.macs(sizes);
    if (module.name == "decoder") module.macs = Every(decoder.macs(sizes));
    cost.modules.push_back(std::move(module));
    parameters.erase(found);
  }
  // Whatever no row knows is still counted.
  for (const auto& [name, count] : parameters) cost.modules.push_back({name, count, true, {}});
  if (config.target_normalization() != config::NONE) cost.buffers = 2 * vit.dim;
  cost.activation_values = ActivationValues(sizes, decoder.hidden_per_slot);
  cost.state_values = static_cast<int64_t>(config.num_slots()) * config.slot_dim();
  return cost;
}

}  // namespace slotmatch
