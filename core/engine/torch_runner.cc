#include "core/engine/torch_runner.h"

#include <dlfcn.h>
#include <torch/torch.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/cpu.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/model/device.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_config.h"
#include "core/model/model_io.h"

namespace slotmatch {

// Encoders in memory by what makes them equal: weight digest, depth and precision.
class BackboneCache {
 public:
  Vit Find(const std::string& key) const {
    const auto it = vits_.find(key);
    return it == vits_.end() ? Vit(nullptr) : Vit(it->second.lock());
  }
  void Keep(const std::string& key, const Vit& vit) { vits_[key] = vit.ptr(); }

 private:
  std::map<std::string, std::weak_ptr<VitImpl>> vits_;
};

std::shared_ptr<BackboneCache> NewBackboneCache() { return std::make_shared<BackboneCache>(); }

namespace {

bool WantsBFloat16(config::Precision precision, const torch::Device& device) {
  return precision == config::PRECISION_BF16 ||
         (precision == config::PRECISION_AUTO && (device.is_cuda() || CpuHasBfloat16()));
}

// Runs `compute` and turns what LibTorch throws into a status: the engine's edge.
template <typename F>
auto Guarded(F compute) -> decltype(compute()) {
  try {
    return compute();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    if (absl::StrContains(text, "alloc")) return absl::ResourceExhaustedError(text);
    return absl::InternalError(text);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

class TorchSegmenter : public Segmenter {
 public:
  TorchSegmenter(ModelInfo info, Vit backbone, VideoModel head)
      : info_(std::move(info)),
        backbone_(std::move(backbone)),
        head_(std::move(head)),
        device_(DeviceOf(*head_)) {}

  const ModelInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<StepOutput>> Step(absl::Span<const StepInput> batch) override {
    return Guarded([&] { return Run(batch); });
  }

 private:
  torch::Tensor Pixels(absl::Span<const StepInput> batch) const {
    torch::Tensor pixels = torch::empty(
        {static_cast<int64_t>(batch.size()), 3, info_.input_height_px, info_.input_width_px});
    const int64_t size = pixels[0].numel();
    float* to = pixels.data_ptr<float>();
    for (const StepInput& input : batch) {
      TORCH_CHECK(static_cast<int64_t>(input.pixels.size()) == size, "frame has ",
                  input.pixels.size(), " values, the model takes ", size);
      to = std::copy(input.pixels.begin(), input.pixels.end(), to);
    }
    return pixels.to(device_);
  }

  SlotState Gather(absl::Span<const StepInput> batch) {
    const auto count = static_cast<int64_t>(batch.size());
    const bool first = batch.front().state->first_frame();
    const int64_t size = first ? 0 : int64_t{info_.num_slots} * info_.slot_dim;
    for (const StepInput& input : batch) {
      TORCH_CHECK(static_cast<int64_t>(input.state->slots.size()) == size, "stream state has ",
                  input.state->slots.size(), " values, this batch needs ", size);
      TORCH_CHECK(input.skipped == 0 || (input.skipped > 0 && !first), "cannot skip ",
                  input.skipped, " frames here");
    }
    if (first) return head_->InferenceState(count);
    torch::Tensor slots = torch::empty({count, info_.num_slots, info_.slot_dim});
    float* to = slots.data_ptr<float>();
    for (const StepInput& input : batch) {
      to = std::copy(input.state->slots.begin(), input.state->slots.end(), to);
    }
    // Any later step: only "first" and "not first" differ.
    return {SkipMissing(batch, slots.to(device_)), 1};
  }

  // slots [B, K, S], each row brought forward over its own number of missing frames.
  torch::Tensor SkipMissing(absl::Span<const StepInput> batch, torch::Tensor slots) {
    std::vector<int64_t> missing;
    for (const StepInput& input : batch) missing.push_back(input.skipped);
    const torch::Tensor left = torch::tensor(missing).view({-1, 1, 1}).to(device_);  // [B, 1, 1]
    const int64_t most = *std::max_element(missing.begin(), missing.end());
    for (int64_t done = 0; done < most; ++done) {
      slots = torch::where(left > done, head_->SkipFrame({slots, 1}).slots, slots);
    }
    return slots;
  }

  absl::StatusOr<std::vector<StepOutput>> Run(absl::Span<const StepInput> batch) {
    c10::InferenceMode guard;
    const torch::Tensor tokens = backbone_->forward(Pixels(batch));  // [B, N, D]
    const StepResult step =
        head_->Step(head_->Transform(head_->NormalizeTokens(tokens)), Gather(batch));
    const bool decoder = head_->config().mask_source() == config::DECODER;
    const auto result = [](const torch::Tensor& tensor) { return tensor.cpu().contiguous(); };
    const torch::Tensor masks = result(decoder ? head_->DecodeMasks(step.slots) : step.attention);
    const torch::Tensor slots = result(step.slots), next = result(step.next.slots);
    std::vector<StepOutput> outputs;
    for (size_t b = 0; b < batch.size(); ++b) {
      const auto row = [b](const torch::Tensor& tensor) {
        const float* from = tensor.data_ptr<float>() + b * tensor[0].numel();
        return std::vector<float>(from, from + tensor[0].numel());
      };
      StreamState state;
      if (head_->recurrent()) {
        state = {row(next), batch[b].state->step + batch[b].skipped + 1};
      }
      outputs.push_back({row(masks), row(slots), std::move(state)});
    }
    return outputs;
  }

  ModelInfo info_;
  Vit backbone_;
  VideoModel head_;  // without encoder
  torch::Device device_;
};

absl::StatusOr<Vit> LoadBackboneOnce(const ModelFiles& files, config::Precision precision,
                                     const torch::Device& device, BackboneCache* cache) {
  SM_ASSIGN_OR_RETURN(const VitShape shape, EncoderShape(files.manifest.model().encoder()));
  std::string digest = files.digest;
  for (const config::WeightPart& part : files.manifest.parts()) {
    if (part.key_prefix() == kBackbonePrefix) digest = part.sha256();
  }
  const bool bfloat16 = WantsBFloat16(precision, device);
  const std::string key =
      absl::StrCat(digest, "/", shape.depth, bfloat16 ? "/bf16/" : "/f32/", device.str());
  if (Vit vit = cache->Find(key); !vit.is_empty()) return vit;
  Vit loaded(shape);
  std::map<std::string, TensorView> tensors;
  for (const auto& [key, view] : files.tensors) {
    if (absl::StartsWith(key, kBackbonePrefix)) {
      tensors.emplace(std::string(absl::StripPrefix(key, kBackbonePrefix)), view);
    }
  }
  SM_RETURN_IF_ERROR(LoadParameters(tensors, /*strict=*/false, loaded.ptr().get()));
  for (torch::Tensor& weight : loaded->parameters()) weight.set_requires_grad(false);
  if (bfloat16) loaded->UseBFloat16();
  loaded->to(device);
  cache->Keep(key, loaded);
  return loaded;
}

ModelInfo InfoOf(const ModelFiles& files, const VideoModel& model) {
  const config::ModelConfig& config = files.manifest.model();
  ModelInfo info;
  info.name = files.manifest.name();
  info.version = files.manifest.version();
  info.digest = files.digest;
  info.role = files.manifest.role();
  info.num_slots = config.num_slots();
  info.slot_dim = config.slot_dim();
  info.grid_height = static_cast<int>(model->grid_height());
  info.grid_width = static_cast<int>(model->grid_width());
  info.input_height_px = config.encoder().input_height_px();
  info.input_width_px = config.encoder().input_width_px();
  info.preprocessing = files.manifest.preprocessing();
  info.provenance = std::make_shared<config::Provenance>(files.manifest.provenance());
  return info;
}

// The BLAS that is really loaded: the reference one is 25 times slower than OpenBLAS.
std::string LoadedBlas() {
  Dl_info info{};
  void* symbol = dlsym(RTLD_DEFAULT, "sgemm_");
  if (symbol == nullptr || dladdr(symbol, &info) == 0) return "unknown";
  char resolved[4096];
  return realpath(info.dli_fname, resolved) != nullptr ? resolved : info.dli_fname;
}

}  // namespace

absl::StatusOr<std::shared_ptr<Segmenter>> LoadSegmenter(
    const config::ServedModel& served, const config::ComputeConfig& compute,
    const std::shared_ptr<BackboneCache>& backbones) {
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(served.path(), &parts));
  if (files.manifest.role() == "backbone") {
    return absl::FailedPreconditionError(served.path() +
                                         " is a backbone; serve a model that uses it");
  }
  const auto geometry = files.manifest.preprocessing().geometry();
  if (geometry != config::Preprocessing::STRETCH) {
    return absl::FailedPreconditionError(absl::StrCat(
        served.path(), " is preprocessed with ", config::Preprocessing::Geometry_Name(geometry),
        "; serving needs geometry STRETCH"));
  }
  return Guarded([&]() -> absl::StatusOr<std::shared_ptr<Segmenter>> {
    SM_ASSIGN_OR_RETURN(const torch::Device device, FindDevice(compute.device()));
    SM_ASSIGN_OR_RETURN(VideoModel head, LoadVideoModel(files, WithEncoder::kNo));
    head->to(device);
    SM_ASSIGN_OR_RETURN(Vit vit,
                        LoadBackboneOnce(files, compute.precision(), device, backbones.get()));
    ModelInfo info = InfoOf(files, head);
    if (!served.name().empty()) info.name = served.name();
    return std::make_shared<TorchSegmenter>(std::move(info), std::move(vit), std::move(head));
  });
}

absl::StatusOr<std::string> InitTorch(const config::ComputeConfig& compute) {
  SM_ASSIGN_OR_RETURN(const torch::Device device, FindDevice(compute.device()));
  const int threads = compute.torch_threads() > 0 ? compute.torch_threads() : UsableCpus();
  at::set_num_threads(threads);
  const std::string blas = LoadedBlas();
  if (absl::StrContains(blas, "/blas/libblas")) {
    SM_WARNING(
        "the reference BLAS is loaded ({}): matrix products are 25x slower than with "
        "OpenBLAS; install libopenblas0-openmp",
        blas);
  }
  return absl::StrCat("torch=", TORCH_VERSION, " threads=", threads, " blas=", blas,
                      " device=", device.str(),
                      " precision=", WantsBFloat16(compute.precision(), device) ? "bf16" : "f32");
}

std::string TorchLibraries() { return absl::StrCat("LibTorch ", TORCH_VERSION, "\n"); }

}  // namespace slotmatch
