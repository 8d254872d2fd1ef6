#include "core/model/video_model.h"

#include <torch/torch.h>

#include <cmath>

#include "core/model/decoder/decoder.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/slots/predictor.h"
#include "core/model/slots/slot_attention.h"
#include "core/model/slots/slot_init.h"
#include "core/nn/mlp.h"
#include "core/nn/shape_check.h"

namespace slotmatch {
namespace {

constexpr double kMinStd = 1e-6;
constexpr double kMinNorm = 1e-6;
constexpr uint64_t kInferenceSeed = 0;
constexpr int kCoordinates = 2;  // row and column, in the grouping loss's target

std::shared_ptr<torch::nn::Module> Group() { return std::make_shared<torch::nn::Module>(); }

template <typename Row>
const Row& RowNamed(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows) {
    if (name == row.name) return row;
  }
  TORCH_CHECK(false, "no table row '", name, "': the config was not validated");
}

VitShape CheckedShape(const config::ModelConfig& config) {
  const absl::StatusOr<VitShape> shape = EncoderShape(config.encoder());
  TORCH_CHECK(shape.ok(), std::string(shape.status().message()));
  return *shape;
}

}  // namespace

struct VideoModelImpl::Parts {
  VitShape shape;
  int64_t grid_height = 0, grid_width = 0;
  Vit backbone{nullptr};
  Mlp transform{nullptr};
  torch::Tensor position;             // [1, N, S] or undefined
  torch::Tensor norm_mean, norm_std;  // [D] or undefined
  std::shared_ptr<SlotInit> init;
  bool takes_noise = false;
  SlotAttention corrector{nullptr};
  std::shared_ptr<Predictor> predictor;  // null: not recurrent
  std::shared_ptr<Decoder> decoder;
  Mlp grouping{nullptr};
};

VideoModelImpl::VideoModelImpl(const config::ModelConfig& config, WithEncoder with_encoder)
    : config_(config), parts_(std::make_shared<Parts>()) {
  Parts& p = *parts_;
  p.shape = CheckedShape(config);
  p.grid_height = config.encoder().input_height_px() / p.shape.patch_px;
  p.grid_width = config.encoder().input_width_px() / p.shape.patch_px;
  const int64_t slots = config.num_slots(), slot_dim = config.slot_dim(), dim = p.shape.dim;

  const SlotInitRow& init = RowNamed(SlotInitTable(), config.slot_init().kind());
  p.takes_noise = init.takes_noise;
  p.init = init.make(slots, slot_dim);
  register_module("initializer", p.init);
  auto encoder = register_module("encoder", Group())->register_module("module", Group());
  if (with_encoder == WithEncoder::kYes) {
    p.backbone =
        encoder->register_module("backbone", Group())->register_module("model", Vit(p.shape));
    for (torch::Tensor& weight : p.backbone->parameters()) weight.set_requires_grad(false);
  }
  p.transform = encoder->register_module(
      "output_transform",
      Mlp(std::vector<int64_t>{dim, 2 * dim, slot_dim}, /*initial_layer_norm=*/true));
  if (config.feature_transform().learned_position()) {
    p.position = encoder->register_parameter(
        "position", torch::randn({1, p.grid_height * p.grid_width, slot_dim}) * 0.02);
  }
  auto processor = register_module("processor", Group())->register_module("module", Group());
  p.corrector = processor->register_module(
      "corrector", SlotAttention(slot_dim, config.slot_attention().use_mlp()));
  const PredictorRow& predictor = RowNamed(PredictorTable(), config.predictor().kind());
  if (predictor.make != nullptr) {
    p.predictor = predictor.make(slot_dim, config.predictor());
    processor->register_module("predictor", p.predictor);
  }
  p.decoder = RowNamed(DecoderTable(), config.decoder().kind())
                  .make({slot_dim, p.grid_height * p.grid_width, dim}, config.decoder());
  register_module("decoder", Group())->register_module("module", p.decoder);
  if (config.target_normalization() != config::NONE) {
    auto norm = register_module("target_norm", Group());
    p.norm_mean = norm->register_buffer("mean", torch::zeros({dim}));
    p.norm_std = norm->register_buffer("std", torch::ones({dim}));
  }
  if (config.grouping_head().enabled()) {
    p.grouping = register_module(
        "grouping_head",
        Mlp(std::vector<int64_t>{slot_dim, config.grouping_head().hidden_dim(), dim + kCoordinates},
            /*initial_layer_norm=*/false));
  }
}

int64_t VideoModelImpl::grid_height() const { return parts_->grid_height; }
int64_t VideoModelImpl::grid_width() const { return parts_->grid_width; }
int64_t VideoModelImpl::token_dim() const { return parts_->shape.dim; }
bool VideoModelImpl::recurrent() const { return parts_->predictor != nullptr; }
Vit VideoModelImpl::backbone() const { return parts_->backbone; }

torch::Tensor VideoModelImpl::Encode(const torch::Tensor& frames) {
  TORCH_CHECK(!parts_->backbone.is_empty(), "this model was built without its encoder");
  CheckShape("frames", frames,
             {{"B"},
              {"C", 3},
              {"H", config_.encoder().input_height_px()},
              {"W", config_.encoder().input_width_px()}});
  torch::NoGradGuard no_grad;
  return parts_->backbone->forward(frames);
}

torch::Tensor VideoModelImpl::NormalizeTokens(const torch::Tensor& tokens) const {
  const Parts& p = *parts_;
  TORCH_CHECK(tokens.size(-1) == p.shape.dim, "tokens: expected [..., D=", p.shape.dim, "], got ",
              tokens.sizes());
  if (config_.target_normalization() == config::NONE) return tokens;
  const torch::Tensor standard = (tokens - p.norm_mean) / p.norm_std;
  if (config_.target_normalization() == config::PER_CHANNEL) return standard;
  const torch::Tensor length = standard.norm(2, -1, /*keepdim=*/true).clamp_min(kMinNorm);
  return standard * (std::sqrt(static_cast<double>(p.shape.dim)) / length);
}

void VideoModelImpl::SetTokenStatistics(const torch::Tensor& mean, const torch::Tensor& std) {
  TORCH_CHECK(parts_->norm_mean.defined(), "target_normalization is NONE: it has no statistics");
  torch::NoGradGuard no_grad;
  parts_->norm_mean.copy_(mean);
  parts_->norm_std.copy_(std.clamp_min(kMinStd));
}

torch::Tensor VideoModelImpl::Transform(const torch::Tensor& tokens) {
  TORCH_CHECK(tokens.size(-2) == grid_height() * grid_width(),
              "tokens: expected [..., N=", grid_height() * grid_width(), ", D], got ",
              tokens.sizes());
  const torch::Tensor features = parts_->transform->forward(tokens);
  return parts_->position.defined() ? features + parts_->position : features;
}

torch::Tensor VideoModelImpl::DrawNoise(int64_t batch, uint64_t seed) const {
  if (!parts_->takes_noise) return {};
  return torch::randn({batch, config_.num_slots(), config_.slot_dim()},
                      at::detail::createCPUGenerator(seed));
}

SlotState VideoModelImpl::InitialState(int64_t batch, const torch::Tensor& noise) {
  return {parts_->init->forward(batch, noise), 0};
}

SlotState VideoModelImpl::InferenceState(int64_t batch) {
  return {InitialState(1, DrawNoise(1, kInferenceSeed)).slots.expand({batch, -1, -1}), 0};
}

StepResult VideoModelImpl::Step(const torch::Tensor& features, const SlotState& state) {
  const auto& attention = config_.slot_attention();
  const int64_t iterations =
      state.step == 0 ? attention.first_frame_iterations() : attention.iterations();
  const SlotAttentionResult corrected =
      parts_->corrector->forward(features, state.slots, iterations);
  if (!recurrent()) return {corrected.slots, corrected.attention, state};
  return {corrected.slots,
          corrected.attention,
          {parts_->predictor->forward(corrected.slots), state.step + 1}};
}

SlotState VideoModelImpl::SkipFrame(const SlotState& state) {
  if (!recurrent()) return state;
  return {parts_->predictor->forward(state.slots), state.step + 1};
}

ScanResult VideoModelImpl::Scan(const torch::Tensor& features, SlotState state) {
  CheckShape("features", features,
             {{"B"}, {"T"}, {"N", grid_height() * grid_width()}, {"S", config_.slot_dim()}});
  std::vector<torch::Tensor> slots, predicted, attention;
  for (int64_t t = 0; t < features.size(1); ++t) {
    StepResult step = Step(features.select(1, t), state);
    slots.push_back(step.slots);
    attention.push_back(step.attention);
    predicted.push_back(step.next.slots);
    state = std::move(step.next);
  }
  return {torch::stack(slots, 1), torch::stack(predicted, 1), torch::stack(attention, 1), state};
}

DecodeResult VideoModelImpl::Decode(const torch::Tensor& slots, const torch::Tensor& token_index) {
  return parts_->decoder->Decode(slots, token_index);
}

torch::Tensor VideoModelImpl::DecodeMasks(const torch::Tensor& slots) {
  return parts_->decoder->Masks(slots);
}

torch::Tensor VideoModelImpl::GroupingPrototypes(const torch::Tensor& slots) {
  TORCH_CHECK(!parts_->grouping.is_empty(), "grouping_head.enabled is false in the model config");
  return parts_->grouping->forward(slots);
}

std::vector<torch::Tensor> VideoModelImpl::TrainableParameters() {
  std::vector<torch::Tensor> trainable;
  for (const torch::Tensor& parameter : parameters()) {
    if (parameter.requires_grad()) trainable.push_back(parameter);
  }
  return trainable;
}

}  // namespace slotmatch
