#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/rpc/kserve_convert.h"
#include "server/rpc/wire_convert.h"

namespace {

using namespace slotmatch;  // NOLINT(google-build-using-namespace): a program of one file

void Require(bool condition) {
  if (!condition) std::abort();
}

// A slotmatch.v1 request as the server takes it apart.
void CheckSegment(const std::string& bytes) {
  v1::SegmentRequest request;
  if (!request.ParseFromString(bytes)) return;
  const auto options = FromWire(request.config(), {}, {});
  if (options.ok()) Require(options->frame_deadline >= absl::ZeroDuration());
  const SourceFrame frame = TakeFrame(request.mutable_frame());
  Require(CodecOf(frame) != nullptr);
  Require(frame.id == request.frame().frame_id());
}

// A KServe request, and the answer to it.
void CheckInfer(const std::string& bytes) {
  inference::ModelInferRequest request;
  if (!request.ParseFromString(bytes)) return;
  const auto infer = TakeInfer(&request);
  if (!infer.ok()) {
    Require(infer.status().message().size() < 1000);  // echoes little of what was sent
    return;
  }
  Require(infer->sequence.size() <= 64);
  ModelInfo info;
  info.name = "fuzz";
  info.num_slots = 2;
  info.slot_dim = 1;
  FrameSegmentation frame;
  frame.mask_width = frame.mask_height = 2;
  frame.mask.assign(4, '\1');
  frame.ids = {1, 2};
  frame.vectors = {1, 2};
  inference::ModelInferResponse response;
  FillInferResponse(frame, info, infer->outputs, request.id(), &response);
  Require(response.outputs_size() == response.raw_output_contents_size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    CheckSegment(bytes);
  } else {
    CheckInfer(bytes);
  }
  return 0;
}
