#include "client/segment_video.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/frame_source.h"
#include "client/result_sink.h"
#include "client/resuming_stream.h"
#include "core/base/bounded_queue.h"
#include "core/base/progress.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

// Frames sent and not yet answered that are kept for their overlay: bounds the client's memory.
constexpr size_t kFramesInFlight = 8;

struct PolicyRow {
  const char* name;
  v1::FramePolicy policy;
};
constexpr PolicyRow kPolicies[] = {{"block", v1::FRAME_POLICY_BLOCK},
                                   {"latest", v1::FRAME_POLICY_LATEST_ONLY},
                                   {"drop-oldest", v1::FRAME_POLICY_DROP_OLDEST},
                                   {"drop-newest", v1::FRAME_POLICY_DROP_NEWEST}};

absl::StatusOr<v1::FramePolicy> PolicyOf(const std::string& name) {
  if (name.empty()) return v1::FRAME_POLICY_UNSPECIFIED;
  for (const PolicyRow& row : kPolicies) {
    if (name == row.name) return row.policy;
  }
  return absl::InvalidArgumentError("--frame-policy is '" + name +
                                    "'; it must be block, latest, drop-oldest or drop-newest");
}

absl::StatusOr<v1::SessionConfig> ConfigOf(const SegmentOptions& options) {
  v1::SessionConfig config;
  config.set_model(options.model);
  config.set_scheduling_class(options.scheduling_class);
  SM_ASSIGN_OR_RETURN(const v1::FramePolicy policy, PolicyOf(options.frame_policy));
  config.set_frame_policy(policy);
  config.set_skip_duplicates(options.skip_duplicates);
  config.mutable_mask()->set_encoding(v1::MASK_ENCODING_INDEX_RLE);
  if (options.masks == "grid") {
    config.mutable_mask()->set_size(v1::MASK_SIZE_GRID);
  } else if (options.masks == "none") {
    config.mutable_mask()->set_encoding(v1::MASK_ENCODING_NONE);
  } else if (options.masks != "source") {
    return absl::InvalidArgumentError("--masks is '" + options.masks +
                                      "'; it must be source, grid or none");
  }
  if (options.codec != "jpeg" && options.codec != "png" && options.codec != "raw") {
    return absl::InvalidArgumentError("--codec is '" + options.codec +
                                      "'; it must be jpeg, png or raw");
  }
  if (options.stride < 1 || options.max_frames < 0) {
    return absl::InvalidArgumentError("--stride must be at least 1, --max-frames at least 0");
  }
  // Ids are those of the source; the frames left out are not missing.
  if (options.stride > 1) config.set_gap_policy(v1::GAP_POLICY_HOLD);
  if (options.jpeg_quality < 1 || options.jpeg_quality > 100) {
    return absl::InvalidArgumentError("--jpeg-quality must be between 1 and 100");
  }
  return config;
}

// Fills the picture of `frame`: the source's own bytes where it has them, else by options.codec.
void EncodePicture(const ClientFrame& picture, const SegmentOptions& options, v1::Frame* frame) {
  if (!picture.encoded.empty()) {
    frame->set_encoded(picture.encoded);
  } else if (options.codec == "raw") {
    v1::RawImage* raw = frame->mutable_raw();
    raw->set_format(v1::PIXEL_FORMAT_BGR8);
    raw->set_width(picture.bgr.cols);
    raw->set_height(picture.bgr.rows);
    raw->set_data(picture.bgr.data, picture.bgr.total() * picture.bgr.elemSize());
  } else {
    std::vector<uint8_t> bytes;
    cv::imencode("." + options.codec, picture.bgr, bytes,
                 options.codec == "jpeg" ? std::vector<int>{cv::IMWRITE_JPEG_QUALITY,
                                                            static_cast<int>(options.jpeg_quality)}
                                         : std::vector<int>{});
    frame->set_encoded(bytes.data(), bytes.size());
  }
}

// Sends on its own thread, so that results are received and written at the same time.
class Sender {
 public:
  Sender(const SegmentOptions& options, FrameSource* source, ResumingStream* client)
      : options_(options), source_(source), client_(client), thread_([this] {
          status_ = Send();
          client_->SendDone();
          pending_.Close();
        }) {}
  ~Sender() { Join().IgnoreError(); }

  // The picture of the oldest unanswered frame.
  std::optional<cv::Mat> TakePicture() { return pending_.Pop(); }
  // Stops sending; the source's status, OK at its end.
  absl::Status Join() {
    pending_.Close();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  bool Stopped() const { return options_.stop != nullptr && options_.stop->load(); }

  absl::Status Send() {
    int64_t sent = 0;
    int64_t due = 0;  // the next frame of the stride
    for (int64_t i = 0; !Stopped(); ++i) {
      if (options_.max_frames > 0 && sent == options_.max_frames) break;
      SM_ASSIGN_OR_RETURN(const auto picture, source_->Next());
      if (!picture.has_value()) break;
      i += picture->skipped;
      if (i < due) continue;
      due = i - i % options_.stride + options_.stride;
      v1::Frame frame;
      frame.set_frame_id(i);
      frame.set_capture_time_us(absl::ToUnixMicros(absl::Now()));
      EncodePicture(*picture, options_, &frame);
      if (!pending_.Push(picture->bgr) || !client_->Send(std::move(frame))) break;
      ++sent;
    }
    return absl::OkStatus();
  }

  const SegmentOptions& options_;
  FrameSource* const source_;
  ResumingStream* const client_;
  BoundedQueue<cv::Mat> pending_{kFramesInFlight};
  absl::Status status_;
  std::thread thread_;  // last: it uses everything above
};

absl::Status ReceiveAll(ResumingStream* client, Sender* sender, ResultSink* sink,
                        Progress* progress) {
  int64_t received = 0;
  for (;;) {
    SM_ASSIGN_OR_RETURN(const auto response, client->Receive());
    if (!response.has_value()) return absl::OkStatus();
    const auto picture = sender->TakePicture();
    if (!picture.has_value()) return absl::InternalError("more results than frames");
    SM_RETURN_IF_ERROR(sink->Add(*picture, *response));
    progress->Update(++received);
  }
}

int64_t FramesToSend(const FrameSource& source, const SegmentOptions& options) {
  const int64_t all = (source.num_frames() + options.stride - 1) / options.stride;
  if (options.max_frames == 0) return all;
  return all == 0 ? options.max_frames : std::min(all, options.max_frames);
}

absl::Status Segment(const Connector& connect, const SegmentOptions& options,
                     SegmentReport* report) {
  SM_ASSIGN_OR_RETURN(v1::SessionConfig config, ConfigOf(options));
  SourceOptions source_options;
  source_options.stdin_format = options.stdin_format;
  source_options.patience = absl::Seconds(options.resume_for_s);
  source_options.stop = options.stop;
  SM_ASSIGN_OR_RETURN(const auto source, OpenFrameSource(options.source, source_options));
  if (options.frame_policy.empty() && source->live()) {
    config.set_frame_policy(v1::FRAME_POLICY_LATEST_ONLY);
  }
  ResumeOptions resume;
  resume.connect = connect;
  resume.patience = absl::Seconds(options.resume_for_s);
  resume.max_unanswered_frames = kFramesInFlight;
  SM_ASSIGN_OR_RETURN(const auto client, ResumingStream::Open(resume, config));
  SinkOptions sink_options;
  sink_options.folder = options.out;
  sink_options.frames_per_second =
      source->frames_per_second() / static_cast<double>(options.stride);
  sink_options.masks = options.masks != "none";
  SM_ASSIGN_OR_RETURN(const auto sink, ResultSink::Open(sink_options, client->opened()));
  const absl::Time start = absl::Now();
  absl::Status received, sent;
  {
    Progress progress("segment", "frames", FramesToSend(*source, options), options.progress);
    Sender sender(options, source.get(), client.get());
    received = ReceiveAll(client.get(), &sender, sink.get(), &progress);
    if (!received.ok()) client->Cancel();
    sent = sender.Join();
    progress.Finish();
  }
  absl::Status status = received.ok() ? sent : received;
  if (status.ok() && options.stop != nullptr && options.stop->load()) {
    status = absl::CancelledError("interrupted; the results up to here are written");
  }
  SM_ASSIGN_OR_RETURN(
      const nlohmann::json summary,
      sink->Close(options.source, absl::ToDoubleSeconds(absl::Now() - start), status));
  report->summary = std::make_shared<nlohmann::json>(summary);
  return status;
}

}  // namespace

SegmentReport SegmentVideo(const Connector& connect, const SegmentOptions& options) {
  SegmentReport report;
  report.status = Segment(connect, options, &report);
  return report;
}

}  // namespace slotmatch
