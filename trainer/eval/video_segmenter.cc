#include "trainer/eval/video_segmenter.h"

#include <torch/torch.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/image/preprocess.h"
#include "core/model/device.h"
#include "core/model/model_io.h"

namespace slotmatch {
namespace {

constexpr size_t kEncodeBatch = 8;  // only the recurrence is sequential, the encoder is not

// All that decides a model's tokens of a frame.
std::string EncoderKey(const config::Manifest& manifest) {
  for (const config::WeightPart& part : manifest.parts()) {
    if (part.role() != "backbone") continue;
    return absl::StrCat(part.sha256(), part.key_prefix(), "|",
                        manifest.model().encoder().SerializeAsString(), "|",
                        manifest.preprocessing().SerializeAsString());
  }
  return "";
}

}  // namespace

absl::StatusOr<VideoSegmenter> VideoSegmenter::Open(const std::string& model_directory,
                                                    const std::string& mask_source,
                                                    const std::string& device) {
  if (!mask_source.empty() && mask_source != "attention" && mask_source != "decoder") {
    return absl::InvalidArgumentError("mask source '" + mask_source +
                                      "' is neither attention nor decoder");
  }
  SM_ASSIGN_OR_RETURN(const torch::Device place, FindDevice(device));
  PartCache parts;
  SM_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelDirectory(model_directory, &parts));
  if (files.manifest.role() == "backbone") {
    return absl::InvalidArgumentError(model_directory + " is a backbone, not a model with slots");
  }
  SM_ASSIGN_OR_RETURN(VideoModel model, LoadVideoModel(files));
  model->to(place);
  SM_ASSIGN_OR_RETURN(VideoSegmenter segmenter, Of(model, files.manifest));
  if (!mask_source.empty()) segmenter.decoder_masks_ = mask_source == "decoder";
  segmenter.encoder_key_ = EncoderKey(files.manifest);
  return segmenter;
}

absl::StatusOr<VideoSegmenter> VideoSegmenter::Of(const VideoModel& model,
                                                  const config::Manifest& manifest) {
  VideoSegmenter segmenter;
  segmenter.manifest_ = manifest;
  segmenter.model_ = model;
  segmenter.decoder_masks_ = manifest.model().mask_source() == config::DECODER;
  const config::ModelConfig& config = model->config();
  SM_ASSIGN_OR_RETURN(segmenter.tracker_,
                      Tracker::Create({}, {config.num_slots(), config.slot_dim(),
                                           static_cast<int>(model->grid_width()),
                                           static_cast<int>(model->grid_height())}));
  return segmenter;
}

torch::Tensor VideoSegmenter::Encode(const std::vector<DatasetFrame>& frames) {
  const auto& encoder = model_->config().encoder();
  const auto count = static_cast<int64_t>(frames.size());
  torch::Tensor pixels =
      torch::empty({count, 3, encoder.input_height_px(), encoder.input_width_px()});
  const int64_t frame_values = pixels[0].numel();
  for (int64_t i = 0; i < count; ++i) {
    Preprocess(frames[i].image, manifest_.preprocessing(), encoder.input_height_px(),
               encoder.input_width_px(),
               absl::MakeSpan(pixels.data_ptr<float>() + i * frame_values, frame_values));
  }
  return model_->Encode(pixels.to(DeviceOf(*model_)));
}

absl::Status VideoSegmenter::SegmentFrames(const std::vector<DatasetFrame>& frames,
                                           const torch::Tensor& tokens, int64_t clip_frames,
                                           Position* position, const Visitor& visit) {
  const torch::Tensor features = model_->Transform(model_->NormalizeTokens(tokens));  // [B, N, S]
  for (int64_t i = 0; i < tokens.size(0); ++i) {
    if (!position->state.slots.defined() || (clip_frames > 0 && position->step == clip_frames)) {
      *position = {model_->InferenceState(1), 0, {}};
    }
    const StepResult step = model_->Step(features.slice(0, i, i + 1), position->state);
    const torch::Tensor masks =
        (decoder_masks_ ? model_->DecodeMasks(step.slots) : step.attention)[0].cpu().contiguous();
    const Image& image = frames[i].image;
    SegmentedFrame result{&frames[i], {}, step.slots[0].cpu(), position->step, {}};
    result.segmentation =
        SegmentFromSoftMasks(absl::MakeConstSpan(masks.data_ptr<float>(), masks.numel()),
                             num_slots(), static_cast<int>(model_->grid_height()),
                             static_cast<int>(model_->grid_width()), image.height, image.width);
    const torch::Tensor slots = result.slots.contiguous();
    result.tracks = tracker_->Step(absl::MakeConstSpan(slots.data_ptr<float>(), slots.numel()),
                                   absl::MakeConstSpan(masks.data_ptr<float>(), masks.numel()),
                                   &position->tracks);
    SM_RETURN_IF_ERROR(visit(result));
    position->state = step.next;
    ++position->step;
  }
  return absl::OkStatus();
}

absl::Status VideoSegmenter::SegmentWithAll(std::vector<VideoSegmenter>* models,
                                            const VideoDataset& dataset, int64_t video,
                                            bool with_labels, int64_t clip_frames,
                                            const ModelVisitor& visit) {
  c10::InferenceMode guard;
  std::vector<DatasetFrame> frames;
  std::vector<Position> positions(models->size());
  const auto flush = [&]() -> absl::Status {
    std::map<std::string, torch::Tensor> encoded;
    for (size_t i = 0; i < models->size(); ++i) {
      VideoSegmenter& model = (*models)[i];
      const std::string key =
          model.encoder_key_.empty() ? absl::StrCat("model ", i) : model.encoder_key_;
      torch::Tensor& tokens = encoded[key];
      if (!tokens.defined()) tokens = model.Encode(frames);
      SM_RETURN_IF_ERROR(
          model.SegmentFrames(frames, tokens, clip_frames, &positions[i],
                              [&](const SegmentedFrame& frame) { return visit(i, frame); }));
    }
    frames.clear();
    return absl::OkStatus();
  };
  SM_RETURN_IF_ERROR(dataset.ForEachFrame(video, with_labels, [&](DatasetFrame frame) {
    frames.push_back(std::move(frame));
    return frames.size() == kEncodeBatch ? flush() : absl::OkStatus();
  }));
  return frames.empty() ? absl::OkStatus() : flush();
}

absl::Status VideoSegmenter::Segment(const VideoDataset& dataset, int64_t video, bool with_labels,
                                     const Visitor& visit) {
  std::vector<VideoSegmenter> one = {*this};  // shares the weights
  return SegmentWithAll(&one, dataset, video, with_labels, /*clip_frames=*/0,
                        [&](size_t, const SegmentedFrame& frame) { return visit(frame); });
}

}  // namespace slotmatch
