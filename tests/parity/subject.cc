#include "tests/parity/subject.h"

#include <torch/torch.h>

#include <regex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/model/decoder/decoder.h"
#include "core/model/slots/predictor.h"
#include "core/model/slots/slot_attention.h"
#include "core/model/slots/slot_init.h"
#include "core/nn/mlp.h"
#include "core/nn/vit.h"
#include "tests/parity/model_of.h"

namespace slotmatch::parity {
namespace {

const nlohmann::json& Member(const Fixture& fixture, const nlohmann::json& object,
                             const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) fixture.Fail(absl::StrCat("config has no '", key, "'"));
  return *found;
}

torch::Tensor Input(const Fixture& fixture, const Tensors& inputs, const std::string& name) {
  const auto found = inputs.find(name);
  if (found == inputs.end()) fixture.Fail(absl::StrCat("tensor 'in.", name, "' is missing"));
  return found->second;
}

template <typename Row>
const Row& RowNamed(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows) {
    if (name == row.name) return row;
  }
  TORCH_CHECK(false, "the product has no row '", name, "'");
}

Subject SlotAttentionSubject(const Fixture& fixture, Tensors parameters) {
  const nlohmann::json config = fixture.Setting("config");
  const int64_t dim = Member(fixture, config, "slot_dim").get<int64_t>();
  if (Member(fixture, config, "inp_dim").get<int64_t>() != dim) {
    fixture.Fail("slot attention over features of another width than the slots");
  }
  const auto usual = Member(fixture, config, "n_iters").get<int64_t>();
  const SlotAttention module(dim, Member(fixture, config, "use_mlp").get<bool>());
  return {module.ptr(), std::move(parameters), "",
          [&fixture, module, usual](const Case& part, const Tensors& in) -> Tensors {
            int64_t iterations = usual;
            std::smatch match;
            if (std::regex_match(part.name, match, std::regex("iters(\\d+)"))) {
              TORCH_CHECK(absl::SimpleAtoi(match[1].str(), &iterations));
            }
            SlotAttention attention = module;
            const SlotAttentionResult result = attention->forward(
                Input(fixture, in, "features"), Input(fixture, in, "slots"), iterations);
            return {{"slots", result.slots}, {"masks", result.attention}};
          }};
}

Subject PredictorSubject(const Fixture& fixture, Tensors parameters) {
  const nlohmann::json config = fixture.Setting("config");
  config::PredictorConfig settings;
  settings.set_num_blocks(Member(fixture, config, "n_blocks").get<int>());
  settings.set_num_heads(Member(fixture, config, "n_heads").get<int>());
  const auto module = RowNamed(PredictorTable(), settings.kind())
                          .make(Member(fixture, config, "dim").get<int64_t>(), settings);
  return {module, std::move(parameters), "",
          [&fixture, module](const Case&, const Tensors& in) -> Tensors {
            return {{"y", module->forward(Input(fixture, in, "x"))}};
          }};
}

// Settings of the two initialisers; the batch size is that of the output.
Subject SlotInitSubject(const Fixture& fixture, Tensors parameters, const char* row) {
  const nlohmann::json config = fixture.Setting("config");
  const auto module = RowNamed(SlotInitTable(), row)
                          .make(Member(fixture, config, "n_slots").get<int64_t>(),
                                Member(fixture, config, "dim").get<int64_t>());
  return {module, std::move(parameters), "",
          [&fixture, module](const Case& part, const Tensors& in) -> Tensors {
            const int64_t batch = fixture.Tensor("out." + part.Key("slots")).size(0);
            const auto noise = in.find("noise");
            return {{"slots",
                     module->forward(batch, noise == in.end() ? torch::Tensor() : noise->second)}};
          }};
}

Subject FixedInitSubject(const Fixture& fixture, Tensors parameters) {
  return SlotInitSubject(fixture, std::move(parameters), "fixed_learned");
}

Subject RandomInitSubject(const Fixture& fixture, Tensors parameters) {
  return SlotInitSubject(fixture, std::move(parameters), "random");
}

Subject MlpSubject(const Fixture& fixture, Tensors parameters) {
  const nlohmann::json config = fixture.Setting("config");
  const bool norm = config.value("layer_norm", false);
  std::vector<int64_t> widths = LinearWidths(parameters, "layers.");
  widths.insert(widths.begin(), Member(fixture, config, "inp_dim").get<int64_t>());
  const Mlp module(widths, norm);
  return {module.ptr(), std::move(parameters), "",
          [&fixture, module](const Case&, const Tensors& in) -> Tensors {
            Mlp mlp = module;
            return {{"y", mlp->forward(Input(fixture, in, "x"))}};
          }};
}

// A decoder, by its row and settings.
Subject DecoderSubject(const Fixture& fixture, Tensors parameters, const DecoderSizes& sizes,
                       const config::DecoderConfig& settings) {
  const auto module = RowNamed(DecoderTable(), settings.kind()).make(sizes, settings);
  return {module, std::move(parameters), "",
          [&fixture, module](const Case&, const Tensors& in) -> Tensors {
            const DecodeResult result = module->Decode(Input(fixture, in, "slots"), {});
            Tensors out{{"masks", result.masks}};
            if (result.reconstruction.defined()) out["reconstruction"] = result.reconstruction;
            if (result.similarity.defined()) out["similarity"] = result.similarity;
            return out;
          }};
}

Subject MlpDecoderSubject(const Fixture& fixture, Tensors parameters) {
  const nlohmann::json config = fixture.Setting("config");
  config::DecoderConfig settings;
  SetHidden(fixture, Member(fixture, config, "hidden_dims").get<std::vector<int64_t>>(), &settings);
  const DecoderSizes sizes{Member(fixture, config, "inp_dim").get<int64_t>(),
                           Member(fixture, config, "n_patches").get<int64_t>(),
                           Member(fixture, config, "outp_dim").get<int64_t>()};
  return DecoderSubject(fixture, std::move(parameters), sizes, settings);
}

// Throws unless the settings are those of the one form that the product has.
void CheckSlotMixer(const Fixture& fixture, const nlohmann::json& config) {
  if (!config.value("use_layer_norms", false) || config.value("pos_embed_mode", "") != "add" ||
      config.value("embed_dim", -1) != config.value("inp_dim", -2) ||
      !Member(fixture, config, "renderer").value("final_activation", false)) {
    fixture.Fail("a slot mixer of a form that the product does not have: " + config.dump());
  }
}

Subject SlotMixerSubject(const Fixture& fixture, Tensors parameters) {
  const nlohmann::json config = fixture.Setting("config");
  CheckSlotMixer(fixture, config);
  const nlohmann::json& allocator = Member(fixture, config, "allocator");
  config::DecoderConfig settings;
  settings.set_kind("slot_mixer");
  const std::vector<int64_t> widths = LinearWidths(parameters, "renderer.layers.");
  SetHidden(fixture, widths, &settings);
  settings.set_num_hidden_layers(static_cast<int>(widths.size() - 1));
  settings.set_allocator_blocks(Member(fixture, allocator, "n_blocks").get<int>());
  settings.set_allocator_heads(Member(fixture, allocator, "n_heads").get<int>());
  const auto tokens = Member(fixture, config, "n_patches").get<int64_t>();
  auto dim = Member(fixture, config, "outp_dim").get<int64_t>();
  if (fixture.Has("out.similarity")) {
    const bool both = fixture.Has("out.reconstruction");
    settings.set_outputs(both ? config::DecoderConfig::FEATURES_AND_SIMILARITY
                              : config::DecoderConfig::SIMILARITY);
    dim = both ? dim - tokens : dim;
  }
  return DecoderSubject(fixture, std::move(parameters),
                        {Member(fixture, config, "inp_dim").get<int64_t>(), tokens, dim}, settings);
}

// "(u8-A)/B" of bytes.
torch::Tensor FromBytes(const Fixture& fixture, const std::string& setting,
                        const torch::Tensor& bytes) {
  const std::string rule = fixture.Text(setting);
  std::smatch match;
  double minus = 0, by = 1;
  if (!std::regex_match(rule, match, std::regex("\\(u8-([\\d.]+)\\)/([\\d.]+)")) ||
      !absl::SimpleAtod(match[1].str(), &minus) || !absl::SimpleAtod(match[2].str(), &by)) {
    fixture.Fail(absl::StrCat("setting '", setting, "' is not '(u8-A)/B': ", rule));
  }
  return (bytes - minus) / by;
}

// Block number at the end of a feature's name, e.g. 12 of "vit_block12".
int64_t BlockOf(const Fixture& fixture, const nlohmann::json& config) {
  std::set<int64_t> blocks;
  for (const nlohmann::json& feature : Member(fixture, config, "features")) {
    std::smatch match;
    const auto name = feature.get<std::string>();
    int64_t block = 0;
    if (!std::regex_match(name, match, std::regex("vit_block(_keys)?(\\d+)")) ||
        !absl::SimpleAtoi(match[2].str(), &block)) {
      fixture.Fail("unknown feature '" + name + "'");
    }
    blocks.insert(block);
  }
  if (blocks.size() != 1) fixture.Fail("features of more than one block");
  return *blocks.begin();
}

Subject VitSubject(const Fixture& fixture, Tensors parameters) {
  const std::string prefix = "model.";
  const nlohmann::json config = fixture.Setting("config");
  const nlohmann::json& arguments = Member(fixture, config, "model_kwargs");
  VitShape shape = VitShapeOf(fixture, parameters, prefix,
                              Member(fixture, arguments, "num_heads").get<int64_t>());
  shape.depth = BlockOf(fixture, config);
  const Vit module(shape);
  Tensors own;  // without the blocks above the feature
  for (const auto& [key, tensor] : parameters) {
    const std::string name = key.substr(prefix.size());
    if (module->named_parameters().contains(name)) own[name] = tensor;
  }
  return {module.ptr(), std::move(own), prefix,
          [&fixture, module](const Case& part, const Tensors& in) -> Tensors {
            Vit vit = module;
            const std::string bytes = part.name + "_u8";
            const VitFeatures features = vit->Features(
                in.count(bytes) > 0 ? FromBytes(fixture, part.name + "_input", in.at(bytes))
                                    : Input(fixture, in, part.name));
            Tensors out{{"tokens", features.tokens}, {"keys", features.keys}};
            out["mean"] = features.tokens.mean(1);
            const std::string index = "out." + part.Key("index");
            if (fixture.Has(index)) {
              for (const char* name : {"tokens", "keys"}) {
                out[name] = out[name].index_select(1, fixture.Expected(index));
              }
            }
            return out;
          }};
}

struct SubjectRow {
  const char* name;  // in the reference: "name" of the construction arguments
  Subject (*make)(const Fixture& fixture, Tensors parameters);
};
constexpr SubjectRow kSubjects[] = {
    {"SlotAttention", SlotAttentionSubject}, {"networks.TransformerEncoder", PredictorSubject},
    {"FixedLearnedInit", FixedInitSubject},  {"RandomInit", RandomInitSubject},
    {"networks.two_layer_mlp", MlpSubject},  {"MLPDecoder", MlpDecoderSubject},
    {"SlotMixerDecoder", SlotMixerSubject},  {"TimmExtractor", VitSubject},
};

}  // namespace

Subject MakeSubject(const Fixture& fixture, torch::ScalarType dtype) {
  const nlohmann::json config = fixture.Setting("config");
  const auto name = Member(fixture, config, "name").get<std::string>();
  for (const SubjectRow& row : kSubjects) {
    if (name != row.name) continue;
    Subject subject = row.make(fixture, fixture.Under("param.", dtype));
    subject.module->to(dtype);
    Load(fixture, subject.parameters, subject.module.get());
    return subject;
  }
  std::string known;
  for (const SubjectRow& row : kSubjects) absl::StrAppend(&known, " ", row.name);
  fixture.Fail(absl::StrCat("unknown module '", name, "'; there are:", known));
}

}  // namespace slotmatch::parity
