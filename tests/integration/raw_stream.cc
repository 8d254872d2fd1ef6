#include "tests/integration/raw_stream.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <thread>

#include "core/base/float16.h"

namespace slotmatch {
namespace {

constexpr std::chrono::seconds kStreamPatience(90);

}  // namespace

std::unique_ptr<Stub> ConnectStub(const std::string& address) {
  return v1::SlotMatchService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
}

std::vector<cv::Mat> VideoFrames(const std::string& path, int count) {
  cv::VideoCapture video(path, cv::CAP_FFMPEG);
  std::vector<cv::Mat> frames;
  cv::Mat frame;
  while (static_cast<int>(frames.size()) < count && video.read(frame)) {
    frames.push_back(frame.clone());
  }
  return frames;
}

std::string Encoded(const cv::Mat& bgr, const std::string& extension) {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, bgr, bytes);
  return std::string(bytes.begin(), bytes.end());
}

v1::SegmentRequest ConfigRequest(const std::string& model, v1::MaskEncoding encoding,
                                 v1::MaskSize size, v1::SlotEncoding slots) {
  v1::SegmentRequest request;
  request.mutable_config()->set_model(model);
  request.mutable_config()->mutable_mask()->set_encoding(encoding);
  request.mutable_config()->mutable_mask()->set_size(size);
  request.mutable_config()->mutable_slots()->set_encoding(slots);
  return request;
}

v1::SegmentRequest EncodedRequest(uint64_t id, const std::string& bytes) {
  v1::SegmentRequest request;
  request.mutable_frame()->set_frame_id(id);
  request.mutable_frame()->set_capture_time_us(static_cast<int64_t>(id) * 1000 + 7);
  request.mutable_frame()->set_encoded(bytes);
  return request;
}

v1::SegmentRequest RawRequest(uint64_t id, v1::PixelFormat format, int width, int height,
                              const std::string& data) {
  v1::SegmentRequest request = EncodedRequest(id, "");
  v1::RawImage* raw = request.mutable_frame()->mutable_raw();
  raw->set_format(format);
  raw->set_width(width);
  raw->set_height(height);
  raw->set_data(data);
  return request;
}

v1::SegmentRequest RawRequest(uint64_t id, v1::PixelFormat format, const cv::Mat& bgr) {
  cv::Mat pixels = bgr.clone();
  if (format == v1::PIXEL_FORMAT_RGB8) cv::cvtColor(bgr, pixels, cv::COLOR_BGR2RGB);
  if (format == v1::PIXEL_FORMAT_GRAY8) cv::cvtColor(bgr, pixels, cv::COLOR_BGR2GRAY);
  return RawRequest(
      id, format, pixels.cols, pixels.rows,
      std::string(reinterpret_cast<const char*>(pixels.data), pixels.total() * pixels.elemSize()));
}

StreamEnd RunStream(Stub* stub, const std::vector<v1::SegmentRequest>& requests) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kStreamPatience);
  const auto stream = stub->Segment(&context);
  std::thread sender([&] {
    for (const v1::SegmentRequest& request : requests) {
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
  });
  StreamEnd end;
  v1::SegmentResponse response;
  while (stream->Read(&response)) {
    if (response.has_opened() && !end.opened.has_value() && end.answers.empty()) {
      end.opened = response.opened();
    } else {
      end.answers.push_back(response);
    }
  }
  sender.join();
  end.status = stream->Finish();
  return end;
}

LabelMap MapOf(const v1::Mask& mask) {
  const int width = static_cast<int>(mask.width()), height = static_cast<int>(mask.height());
  absl::StatusOr<LabelMap> map = LabelMap{};
  if (mask.encoding() == v1::MASK_ENCODING_RAW_U8) {
    if (mask.data().size() != static_cast<size_t>(width) * height) return {};
    map = LabelMap{width, height, {mask.data().begin(), mask.data().end()}};
  } else if (mask.encoding() == v1::MASK_ENCODING_INDEX_RLE) {
    map = DecodeIndexRle(mask.data(), width, height);
  } else if (mask.encoding() == v1::MASK_ENCODING_PNG) {
    map = DecodePalettePng(mask.data());
  }
  return map.ok() ? *std::move(map) : LabelMap{};
}

std::vector<float> VectorsOf(const v1::FrameResult& result, v1::SlotEncoding encoding) {
  std::vector<float> values;
  const size_t width = encoding == v1::SLOT_ENCODING_F16 ? 2 : 4;
  for (const v1::Slot& slot : result.slots()) {
    for (size_t at = 0; at + width <= slot.vector().size(); at += width) {
      float value = 0;
      uint16_t half = 0;
      if (width == 2) {
        std::memcpy(&half, slot.vector().data() + at, width);
        value = HalfToFloat(half);
      } else {
        std::memcpy(&value, slot.vector().data() + at, width);
      }
      values.push_back(value);
    }
  }
  return values;
}

bool SameResult(v1::FrameResult a, v1::FrameResult b) {
  a.clear_timings();
  b.clear_timings();
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace slotmatch
