#pragma once

#include <string>

#include "core/image/image.h"
#include "inference/grpc_service.pb.h"

namespace slotmatch {

// A ModelInferRequest with `picture` as pixels.
inline inference::ModelInferRequest KServeRequest(const std::string& model, const Image& picture) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  auto* tensor = request.add_inputs();
  tensor->set_name("frame");
  tensor->set_datatype("UINT8");
  for (const int side : {picture.height, picture.width, 3}) tensor->add_shape(side);
  request.add_raw_input_contents(picture.rgb.data(), picture.rgb.size());
  return request;
}

}  // namespace slotmatch
