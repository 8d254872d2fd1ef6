#pragma once

#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/image/mask_codec.h"
#include "slotmatch/v1/slotmatch.grpc.pb.h"

namespace slotmatch {

// Segment streams driven by hand, message by message, without the client's own code.

using Stub = v1::SlotMatchService::Stub;

std::unique_ptr<Stub> ConnectStub(const std::string& address);

// The first `count` pictures of a video, BGR.
std::vector<cv::Mat> VideoFrames(const std::string& path, int count);

std::string Encoded(const cv::Mat& bgr, const std::string& extension);

v1::SegmentRequest ConfigRequest(const std::string& model = "slotmatch",
                                 v1::MaskEncoding encoding = v1::MASK_ENCODING_INDEX_RLE,
                                 v1::MaskSize size = v1::MASK_SIZE_SOURCE,
                                 v1::SlotEncoding slots = v1::SLOT_ENCODING_F32);
v1::SegmentRequest EncodedRequest(uint64_t id, const std::string& bytes);
v1::SegmentRequest RawRequest(uint64_t id, v1::PixelFormat format, int width, int height,
                              const std::string& data);
// `bgr` as raw pixels in `format`.
v1::SegmentRequest RawRequest(uint64_t id, v1::PixelFormat format, const cv::Mat& bgr);

struct StreamEnd {
  std::optional<v1::SessionOpened> opened;
  std::vector<v1::SegmentResponse> answers;  // what came after `opened`
  grpc::Status status;
};

// Sends all of it, says that it is done, and reads to the end. A stream that hangs ends with
// DEADLINE_EXCEEDED.
StreamEnd RunStream(Stub* stub, const std::vector<v1::SegmentRequest>& requests);

// The label map of a mask in any encoding; empty when it cannot be decoded.
LabelMap MapOf(const v1::Mask& mask);
// The slot vectors of a result, one after the other, from F32 or F16.
std::vector<float> VectorsOf(const v1::FrameResult& result, v1::SlotEncoding encoding);

// Two results of the same frame, byte for byte but for their timings.
bool SameResult(v1::FrameResult a, v1::FrameResult b);

}  // namespace slotmatch
