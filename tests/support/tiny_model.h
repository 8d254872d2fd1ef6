#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/model/video_model.h"
#include "slotmatch/config/manifest.pb.h"
#include "slotmatch/config/model.pb.h"

// What the tests of the torch rooms share: the smallest models, and the fill rule of golden values.
namespace slotmatch {

// Fill rule of the reference's golden vectors, float64: flat index i -> off + amp * sin(1.3 i +
// tag).
torch::Tensor GoldenFill(const std::vector<int64_t>& shape, double tag, double amp = 0.5,
                         double off = 0.0);
// The same into parameter `key` of a module.
void FillParameter(torch::nn::Module& module, const std::string& key, double tag, double amp = 0.5,
                   double off = 0.0);

// Largest absolute difference; infinity when the shapes differ.
double MaxDifference(const torch::Tensor& a, const torch::Tensor& b);
bool BitIdentical(const torch::Tensor& a, const torch::Tensor& b);

// Message of the c10::Error that `call` throws; empty when it throws none.
std::string MessageThrownBy(const std::function<void()>& call);

// K=3, S=8, D=16, two blocks of two heads, 4x4 tokens of 14 px.
config::ModelConfig TinyModelConfig();
VideoModel MakeTinyModel(const config::ModelConfig& config, uint64_t seed,
                         WithEncoder with_encoder = WithEncoder::kYes);

// An empty folder of this name below the test run's temporary folder.
std::string FreshDirectory(const std::string& name);

// Writes a model directory REPOSITORY/tiny_vit/1 of role backbone with random weights; returns it.
std::string WriteTinyBackbone(const std::string& repository, const config::EncoderConfig& encoder,
                              uint64_t seed);

}  // namespace slotmatch
