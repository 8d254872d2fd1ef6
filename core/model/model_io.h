#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/video_model.h"
#include "core/weights/manifest.h"

namespace slotmatch {

// Copies an archive tensor into a torch tensor of its own dtype (owning).
torch::Tensor ToTorch(const TensorView& view);
// View of a contiguous CPU tensor; borrowed.
TensorView ToView(const torch::Tensor& tensor);

// Copies `tensors` (full keys) into the module's parameters and buffers, converting dtype. Every
// parameter of the module must be present with its shape; keys under an ignored prefix may be left
// over, any other left-over key is an error. kDataLoss names all missing, unexpected and
// misshapen keys. With strict = false left-over keys are allowed.
absl::Status LoadParameters(const std::map<std::string, TensorView>& tensors, bool strict,
                            torch::nn::Module* module);

// Builds and fills the model of an opened directory.
absl::StatusOr<VideoModel> LoadVideoModel(const ModelFiles& files,
                                          WithEncoder with_encoder = WithEncoder::kYes);

// Named parameters and buffers whose key starts with none of `skip_prefixes`, as dtype.
std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module,
                                                  const std::vector<std::string>& skip_prefixes);

// Writes DIR/weights.safetensors (tensors cast to `dtype`) and DIR/manifest.textproto, whose head
// part names that file and its digest; a backbone part is kept as `manifest` has it.
absl::Status SaveModelDirectory(const std::string& directory, config::Manifest manifest,
                                const std::map<std::string, torch::Tensor>& tensors,
                                torch::ScalarType dtype);

}  // namespace slotmatch
