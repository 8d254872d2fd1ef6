#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/engine/stream_session.h"
#include "inference/grpc_service.pb.h"
#include "slotmatch/config/serve.pb.h"

// Between the Open Inference Protocol's messages and the engine's types; no computation.
namespace slotmatch {

// Which tensors an answer has.
struct KServeOutputs {
  bool masks = false, slots = false, slot_ids = false;
};

// What a ModelInferRequest asks for.
struct KServeInfer {
  SourceFrame frame;
  std::string sequence;  // its sequence_id as text; empty: a frame without a past
  bool sequence_start = false;
  bool sequence_end = false;
  KServeOutputs outputs;
};

// Takes the picture out of `request`: the tensor "frame", BYTES [1] (a JPEG or PNG file) or UINT8
// [H, W, 3] (RGB), raw or as contents. INVALID_ARGUMENT names what is wrong and what would be
// right.
absl::StatusOr<KServeInfer> TakeInfer(inference::ModelInferRequest* request);

// Tensors "masks" UINT8 [h, w] (slot index of each pixel), "slots" FP32 [K, S] and "slot_ids" INT64
// [K] (temporal IDs) as `wanted`, raw; and the request's id.
void FillInferResponse(const FrameSegmentation& frame, const ModelInfo& info,
                       const KServeOutputs& wanted, const std::string& id,
                       inference::ModelInferResponse* response);

void FillModelMetadata(const ModelInfo& info, inference::ModelMetadataResponse* response);
void FillModelConfig(const ModelInfo& info, const config::LimitsConfig& limits,
                     inference::ModelConfig* response);

// Raw masks of the frame's size, slot indices as IDs, in the default scheduling class.
StreamOptions KServeStreamOptions(const config::LimitsConfig& limits, const SchedulePolicy& policy);

}  // namespace slotmatch
