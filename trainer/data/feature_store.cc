#include "trainer/data/feature_store.h"

#include <torch/torch.h>

#include <filesystem>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/bounded_queue.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/config/config.h"
#include "core/image/transform.h"
#include "core/weights/safetensors.h"
#include "trainer/data/random.h"

namespace slotmatch {
namespace {

namespace fs = std::filesystem;

constexpr char kTensor[] = "tokens";

struct CachedVideo {
  std::string name, key;
  std::shared_ptr<const SafetensorsFile> file;
  torch::Tensor tokens;  // [F, N, D] float16 over the mapping
};

absl::StatusOr<CachedVideo> OpenCached(const std::string& path, const std::string& name,
                                       const FeatureExtractor& extractor) {
  SM_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(path));
  const TensorView* view = file->Find(kTensor);
  if (view == nullptr || view->dtype != DType::kF16 || view->shape.size() != 3 ||
      view->shape[0] == 0 || view->shape[1] != extractor.num_tokens ||
      view->shape[2] != extractor.token_dim) {
    return absl::DataLossError(path + " holds other tokens than its name says");
  }
  torch::Tensor tokens = torch::from_blob(const_cast<uint8_t*>(view->bytes.data()), view->shape,
                                          torch::dtype(torch::kFloat16));
  return CachedVideo{name, fs::path(path).stem().string(), std::move(file), std::move(tokens)};
}

FrameTransform PlanOf(const FeatureExtractor& extractor, uint64_t video_seed, const Image& image) {
  const PixelSize in{image.width, image.height};
  const PixelSize out{extractor.input_width_px, extractor.input_height_px};
  if (extractor.crop.kind() == config::RandomCrop::NONE) {
    return PlanTransform(extractor.preprocessing.geometry(), in, out);
  }
  // The same numbers for every frame.
  Random random(video_seed, static_cast<uint64_t>(extractor.crop_variant));
  return PlanRandomCrop(extractor.crop, in, out, [&] { return random.Uniform(); });
}

uint64_t VideoSeed(const FeatureExtractor& extractor, const std::string& content_key) {
  uint64_t content = 0;
  static_cast<void>(absl::SimpleHexAtoi(content_key.substr(0, 16), &content));
  return extractor.crop_seed ^ content;
}

// Reads and preprocesses in a thread of its own, so that the encoder never waits for pixels.
class FrameBatches {
 public:
  FrameBatches(const VideoDataset& dataset, int64_t video, uint64_t video_seed,
               const FeatureExtractor& extractor)
      : extractor_(extractor), queue_(2), reader_([this, &dataset, video, video_seed] {
          status_ = Read(dataset, video, video_seed);
          queue_.Close();
        }) {}
  ~FrameBatches() {
    queue_.Close();
    reader_.join();
  }

  std::optional<torch::Tensor> Next() { return queue_.Pop(); }  // [B, 3, H, W]
  absl::Status status() const { return status_; }               // after Next() gave nothing

 private:
  absl::Status Read(const VideoDataset& dataset, int64_t video, uint64_t video_seed) {
    std::vector<torch::Tensor> frames;
    SM_RETURN_IF_ERROR(dataset.ForEachFrame(video, false, [&](DatasetFrame frame) {
      torch::Tensor pixels =
          torch::empty({3, extractor_.input_height_px, extractor_.input_width_px});
      TransformImage(frame.image, PlanOf(extractor_, video_seed, frame.image),
                     extractor_.preprocessing,
                     absl::MakeSpan(pixels.data_ptr<float>(), pixels.numel()));
      frames.push_back(std::move(pixels));
      return static_cast<int>(frames.size()) == extractor_.batch_frames ? Send(&frames)
                                                                        : absl::OkStatus();
    }));
    return frames.empty() ? absl::OkStatus() : Send(&frames);
  }

  absl::Status Send(std::vector<torch::Tensor>* frames) {
    const bool sent = queue_.Push(torch::stack(*frames));
    frames->clear();
    return sent ? absl::OkStatus() : absl::CancelledError("stopped");
  }

  const FeatureExtractor& extractor_;
  BoundedQueue<torch::Tensor> queue_;
  absl::Status status_;
  std::thread reader_;  // last: it uses the members above
};

absl::Status ComputeVideo(const VideoDataset& dataset, int64_t video, uint64_t video_seed,
                          const FeatureExtractor& extractor, const std::string& path,
                          int64_t* frames_done, Progress* progress) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> tokens;
  FrameBatches batches(dataset, video, video_seed, extractor);
  while (std::optional<torch::Tensor> batch = batches.Next()) {
    if (extractor.stop && extractor.stop()) {
      return absl::CancelledError(
          "stopped while features were computed; finished videos stay cached");
    }
    tokens.push_back(extractor.encode(*batch).to(torch::kFloat16).cpu());
    *frames_done += batch->size(0);
    if (progress != nullptr) progress->Update(*frames_done, dataset.video_name(video));
  }
  SM_RETURN_IF_ERROR(batches.status());
  const torch::Tensor all = torch::cat(tokens).contiguous();
  const TensorView view{DType::kF16, all.sizes().vec(),
                        absl::MakeSpan(static_cast<const uint8_t*>(all.data_ptr()), all.nbytes())};
  return WriteSafetensors(path, {{kTensor, view}}, {{"video", dataset.video_name(video)}});
}

class MappedFeatureStore : public FeatureStore {
 public:
  int64_t num_videos() const override { return static_cast<int64_t>(videos_.size()); }
  std::string video_name(int64_t video) const override { return videos_[video].name; }
  std::string cache_key(int64_t video) const override { return videos_[video].key; }
  int64_t num_frames(int64_t video) const override { return videos_[video].tokens.size(0); }
  torch::Tensor Tokens(int64_t video, int64_t first, int64_t count) const override {
    return videos_[video].tokens.slice(0, first, first + count);
  }
  int64_t skipped_videos() const override { return skipped_; }

  absl::Status AddVideo(const VideoDataset& dataset, int64_t video,
                        const FeatureExtractor& extractor, const std::string& cache_dir,
                        const std::string& extractor_key, Progress* progress) {
    SM_ASSIGN_OR_RETURN(const std::string content, dataset.ContentKey(video));
    const std::string path =
        (fs::path(cache_dir) / (Sha256Hex(content + extractor_key) + ".safetensors")).string();
    const std::string name = dataset.video_name(video);
    absl::StatusOr<CachedVideo> cached = OpenCached(path, name, extractor);
    if (!cached.ok()) {
      SM_RETURN_IF_ERROR(ComputeVideo(dataset, video, VideoSeed(extractor, content), extractor,
                                      path, &frames_done_, progress));
      cached = OpenCached(path, name, extractor);
    }
    SM_RETURN_IF_ERROR(cached.status());
    videos_[video] = *std::move(cached);
    return absl::OkStatus();
  }

  void Reserve(int64_t videos) { videos_.resize(videos); }
  // Closes the gaps of videos that were skipped.
  void Close() {
    std::erase_if(videos_, [](const CachedVideo& video) { return !video.tokens.defined(); });
  }

  void Skip(const std::string& name, const absl::Status& why) {
    SM_WARNING("video skipped name={} reason=\"{}\"", name, std::string(why.message()));
    ++skipped_;
  }

 private:
  std::vector<CachedVideo> videos_;
  int64_t skipped_ = 0;
  int64_t frames_done_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FeatureStore>> FeatureStore::Open(const VideoDataset& dataset,
                                                                 const FeatureExtractor& extractor,
                                                                 const std::string& cache_dir,
                                                                 Progress* progress) {
  std::string key =
      absl::StrCat(extractor.digest, "|", extractor.input_height_px, "x", extractor.input_width_px,
                   "|", extractor.preprocessing.ShortDebugString());
  if (extractor.crop.kind() != config::RandomCrop::NONE) {
    absl::StrAppend(&key, "|", extractor.crop.ShortDebugString(), "|", extractor.crop_seed, "|",
                    extractor.crop_variant);
  }
  auto store = std::make_unique<MappedFeatureStore>();
  const int64_t videos = dataset.num_videos();
  store->Reserve(videos);
  for (int64_t i = 0; i < videos; ++i) {
    const int64_t video = (i + videos * extractor.share / extractor.shares) % videos;
    const absl::Status added = store->AddVideo(dataset, video, extractor, cache_dir, key, progress);
    // Broken input is skipped; a full disk or a lost folder is not.
    if (absl::IsDataLoss(added) || absl::IsNotFound(added)) {
      store->Skip(dataset.video_name(video), added);
    } else if (!added.ok()) {
      return added;
    }
  }
  store->Close();
  if (store->num_videos() == 0) return absl::DataLossError("none of the videos can be read");
  return std::unique_ptr<FeatureStore>(std::move(store));
}

}  // namespace slotmatch
