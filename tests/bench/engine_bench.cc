#include "tests/bench/engine_bench.h"

#include <torch/torch.h>

#include "absl/time/clock.h"
#include "core/base/status.h"
#include "core/engine/torch_runner.h"
#include "core/model/model_io.h"

namespace slotmatch {
namespace {

class TorchBench : public EngineBench {
 public:
  absl::Status Load(const std::string& path, int threads) {
    config::ComputeConfig compute;
    compute.set_torch_threads(threads);
    SM_ASSIGN_OR_RETURN(description_, InitTorch(compute));
    PartCache parts;
    config::ServedModel served;
    served.set_path(path);
    SM_ASSIGN_OR_RETURN(segmenter_, LoadSegmenter(served, compute, NewBackboneCache()));
    SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(path, &parts));
    SM_ASSIGN_OR_RETURN(model_, LoadVideoModel(files));
    return absl::OkStatus();
  }

  const ModelInfo& info() const override { return segmenter_->info(); }
  std::string description() const override { return description_; }

  absl::Duration Backbone(int streams, int steps) override {
    c10::InferenceMode guard;
    const torch::Tensor frames = Frames(streams);
    const absl::Time start = absl::Now();
    for (int i = 0; i < steps; ++i) model_->Encode(frames);
    return absl::Now() - start;
  }

  absl::StatusOr<absl::Duration> WholeModel(int streams, int steps) override {
    const torch::Tensor frames = Frames(streams);
    const auto values = static_cast<size_t>(frames[0].numel());
    std::vector<StreamState> states(streams);
    const absl::Time start = absl::Now();
    for (int i = 0; i < steps; ++i) {
      std::vector<StepInput> batch;
      for (int s = 0; s < streams; ++s) {
        batch.push_back(
            {absl::MakeConstSpan(frames.data_ptr<float>() + s * values, values), &states[s]});
      }
      SM_ASSIGN_OR_RETURN(std::vector<StepOutput> outputs, segmenter_->Step(batch));
      for (int s = 0; s < streams; ++s) states[s] = std::move(outputs[s].next_state);
    }
    return absl::Now() - start;
  }

 private:
  torch::Tensor Frames(int streams) const {
    return torch::randn({streams, 3, info().input_height_px, info().input_width_px});
  }

  std::string description_;
  std::shared_ptr<Segmenter> segmenter_;
  VideoModel model_{nullptr};
};

}  // namespace

absl::StatusOr<std::unique_ptr<EngineBench>> EngineBench::Open(const std::string& model,
                                                               int threads) {
  auto bench = std::make_unique<TorchBench>();
  SM_RETURN_IF_ERROR(bench->Load(model, threads));
  return bench;
}

}  // namespace slotmatch
