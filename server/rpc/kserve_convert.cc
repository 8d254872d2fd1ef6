#include "server/rpc/kserve_convert.h"

#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "server/rpc/wire_convert.h"

namespace slotmatch {
namespace {

using InputTensor = inference::ModelInferRequest::InferInputTensor;

constexpr char kFrame[] = "frame";
constexpr char kPlatform[] = "slotmatch";
constexpr size_t kMaxEchoBytes = 64;  // of a client's text in a message

struct OutputRow {
  const char* name;
  const char* datatype;
  inference::DataType type;
  bool KServeOutputs::*wanted;
};
constexpr OutputRow kOutputs[] = {
    {"masks", "UINT8", inference::TYPE_UINT8, &KServeOutputs::masks},
    {"slots", "FP32", inference::TYPE_FP32, &KServeOutputs::slots},
    {"slot_ids", "INT64", inference::TYPE_INT64, &KServeOutputs::slot_ids}};

std::vector<int64_t> OutputShape(const OutputRow& row, const ModelInfo& info) {
  if (row.wanted == &KServeOutputs::masks) return {-1, -1};
  if (row.wanted == &KServeOutputs::slots) return {info.num_slots, info.slot_dim};
  return {info.num_slots};
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", text.substr(0, kMaxEchoBytes), "'");
}

// The one element of a BYTES tensor in raw form: its length in four bytes, then the bytes.
absl::StatusOr<std::string> UnpackBytes(const std::string& raw) {
  uint32_t length = 0;
  if (raw.size() >= sizeof(length)) std::memcpy(&length, raw.data(), sizeof(length));
  if (raw.size() < sizeof(length) || raw.size() - sizeof(length) != length) {
    return absl::InvalidArgumentError(
        "raw contents of a BYTES tensor of one element are its length in 4 bytes, little-endian, "
        "and as many bytes; the sizes differ");
  }
  return raw.substr(sizeof(length));
}

absl::Status TakeEncoded(InputTensor* tensor, std::string* raw, SourceFrame* frame) {
  int64_t count = 1;
  for (const int64_t side : tensor->shape()) count *= side == 1 ? 1 : 0;
  if (count != 1 || tensor->shape().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "BYTES frame has shape [", absl::StrJoin(tensor->shape(), ", "), "]; one picture is [1]"));
  }
  if (raw != nullptr) {
    SM_ASSIGN_OR_RETURN(frame->bytes, UnpackBytes(*raw));
    return absl::OkStatus();
  }
  if (tensor->contents().bytes_contents_size() != 1) {
    return absl::InvalidArgumentError("BYTES frame needs one element of bytes_contents");
  }
  frame->bytes = std::move(*tensor->mutable_contents()->mutable_bytes_contents(0));
  return absl::OkStatus();
}

absl::Status TakePixels(InputTensor* tensor, std::string* raw, SourceFrame* frame) {
  const auto& shape = tensor->shape();
  const int skip = shape.size() == 4 && shape[0] == 1 ? 1 : 0;
  if (shape.size() - skip != 3 || shape[skip + 2] != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "UINT8 frame has shape [", absl::StrJoin(shape, ", "), "]; it must be [H, W, 3], RGB"));
  }
  frame->raw = true;
  frame->format = RawFormat::kRgb8;
  frame->height = shape[skip];
  frame->width = shape[skip + 1];
  if (raw != nullptr) {
    frame->bytes = std::move(*raw);
  } else {
    for (const uint32_t value : tensor->contents().uint_contents()) {
      frame->bytes.push_back(static_cast<char>(value));
    }
  }
  return absl::OkStatus();
}

absl::Status TakePicture(inference::ModelInferRequest* request, SourceFrame* frame) {
  if (request->inputs_size() != 1 || request->inputs(0).name() != kFrame) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the model has one input, '", kFrame, "'; the request has ", request->inputs_size(),
        request->inputs_size() == 1 ? ", " + Quoted(request->inputs(0).name()) : ""));
  }
  const int raws = request->raw_input_contents_size();
  if (raws > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(raws, " raw_input_contents for one input; there must be one"));
  }
  InputTensor* tensor = request->mutable_inputs(0);
  std::string* raw = raws == 1 ? request->mutable_raw_input_contents(0) : nullptr;
  if (tensor->datatype() == "BYTES") return TakeEncoded(tensor, raw, frame);
  if (tensor->datatype() == "UINT8") return TakePixels(tensor, raw, frame);
  return absl::InvalidArgumentError(absl::StrCat("frame has datatype ", Quoted(tensor->datatype()),
                                                 "; it must be BYTES or UINT8"));
}

// sequence_id may be a number or a text; 0 and "" mean that there is none.
absl::Status TakeSequence(const inference::ModelInferRequest& request, KServeInfer* infer) {
  for (const auto& [key, value] : request.parameters()) {
    if (key == "sequence_start") infer->sequence_start = value.bool_param();
    if (key == "sequence_end") infer->sequence_end = value.bool_param();
    if (key != "sequence_id") continue;
    const int64_t number =
        value.has_uint64_param() ? static_cast<int64_t>(value.uint64_param()) : value.int64_param();
    infer->sequence = value.has_string_param() ? value.string_param()
                      : number != 0            ? absl::StrCat(number)
                                               : "";
  }
  if (infer->sequence.size() > kMaxEchoBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("sequence_id has more than ", kMaxEchoBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status TakeOutputs(const inference::ModelInferRequest& request, KServeOutputs* outputs) {
  for (const OutputRow& row : kOutputs) outputs->*row.wanted = request.outputs().empty();
  for (const auto& output : request.outputs()) {
    bool known = false;
    for (const OutputRow& row : kOutputs) {
      if (output.name() != row.name) continue;
      outputs->*row.wanted = known = true;
    }
    if (!known) {
      return absl::InvalidArgumentError(absl::StrCat("there is no output ", Quoted(output.name()),
                                                     "; there are masks, slots and slot_ids"));
    }
  }
  return absl::OkStatus();
}

void AddTensor(const OutputRow& row, const std::vector<int64_t>& shape, const void* data,
               size_t size, inference::ModelInferResponse* response) {
  static_assert(std::endian::native == std::endian::little);
  auto* tensor = response->add_outputs();
  tensor->set_name(row.name);
  tensor->set_datatype(row.datatype);
  for (const int64_t side : shape) tensor->add_shape(side);
  response->add_raw_output_contents(data, size);
}

}  // namespace

absl::StatusOr<KServeInfer> TakeInfer(inference::ModelInferRequest* request) {
  KServeInfer infer;
  SM_RETURN_IF_ERROR(TakePicture(request, &infer.frame));
  SM_RETURN_IF_ERROR(TakeSequence(*request, &infer));
  SM_RETURN_IF_ERROR(TakeOutputs(*request, &infer.outputs));
  return infer;
}

void FillInferResponse(const FrameSegmentation& frame, const ModelInfo& info,
                       const KServeOutputs& wanted, const std::string& id,
                       inference::ModelInferResponse* response) {
  response->set_model_name(info.name);
  response->set_model_version(info.version);
  response->set_id(id);
  for (const OutputRow& row : kOutputs) {
    if (!(wanted.*row.wanted)) continue;
    if (row.wanted == &KServeOutputs::masks) {
      AddTensor(row, {frame.mask_height, frame.mask_width}, frame.mask.data(), frame.mask.size(),
                response);
    } else if (row.wanted == &KServeOutputs::slots) {
      AddTensor(row, OutputShape(row, info), frame.vectors.data(),
                frame.vectors.size() * sizeof(float), response);
    } else {
      const std::vector<int64_t> ids(frame.ids.begin(), frame.ids.end());
      AddTensor(row, OutputShape(row, info), ids.data(), ids.size() * sizeof(int64_t), response);
    }
  }
}

void FillModelMetadata(const ModelInfo& info, inference::ModelMetadataResponse* response) {
  response->set_name(info.name);
  response->add_versions(info.version);
  response->set_platform(kPlatform);
  auto* input = response->add_inputs();
  input->set_name(kFrame);
  input->set_datatype("BYTES");
  input->add_shape(1);
  for (const OutputRow& row : kOutputs) {
    auto* output = response->add_outputs();
    output->set_name(row.name);
    output->set_datatype(row.datatype);
    for (const int64_t side : OutputShape(row, info)) output->add_shape(side);
  }
}

void FillModelConfig(const ModelInfo& info, const config::LimitsConfig& limits,
                     inference::ModelConfig* response) {
  response->set_name(info.name);
  response->set_platform(kPlatform);
  response->set_backend(kPlatform);
  inference::ModelInput* input = response->add_input();
  input->set_name(kFrame);
  input->set_data_type(inference::TYPE_STRING);
  input->add_dims(1);
  for (const OutputRow& row : kOutputs) {
    inference::ModelOutput* output = response->add_output();
    output->set_name(row.name);
    output->set_data_type(row.type);
    for (const int64_t side : OutputShape(row, info)) output->add_dims(side);
  }
  inference::ModelSequenceBatching* sequences = response->mutable_sequence_batching();
  sequences->set_max_sequence_idle_microseconds(
      absl::ToInt64Microseconds(absl::Seconds(limits.session_idle_timeout_s())));
  sequences->mutable_oldest()->set_max_candidate_sequences(limits.max_sessions());
  response->mutable_model_transaction_policy()->set_decoupled(false);
}

StreamOptions KServeStreamOptions(const config::LimitsConfig& limits,
                                  const SchedulePolicy& policy) {
  StreamOptions options;
  options.schedule_class = policy.default_class;
  options.mask_format = MaskFormat::kRaw;
  options.image_limits = LimitsOf(limits);
  options.max_gap_steps = 0;
  return options;
}

}  // namespace slotmatch
