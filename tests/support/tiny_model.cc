#include "tests/support/tiny_model.h"

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/model/encoder/encoder_table.h"
#include "core/model/model_io.h"

namespace slotmatch {

torch::Tensor GoldenFill(const std::vector<int64_t>& shape, double tag, double amp, double off) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  const torch::Tensor index = torch::arange(count, torch::kFloat64);
  return (off + amp * torch::sin(1.3 * index + tag)).reshape(shape);
}

void FillParameter(torch::nn::Module& module, const std::string& key, double tag, double amp,
                   double off) {
  torch::NoGradGuard no_grad;
  torch::Tensor parameter = module.named_parameters()[key];
  parameter.copy_(GoldenFill(parameter.sizes().vec(), tag, amp, off));
}

double MaxDifference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

bool BitIdentical(const torch::Tensor& a, const torch::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && torch::equal(a, b);
}

std::string MessageThrownBy(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

config::ModelConfig TinyModelConfig() {
  config::ModelConfig config;
  config.set_num_slots(3);
  config.set_slot_dim(8);
  config::EncoderConfig* encoder = config.mutable_encoder();
  encoder->set_embed_dim(16);
  encoder->set_num_heads(2);
  encoder->set_depth(2);
  encoder->set_pos_grid(5);
  encoder->set_input_height_px(56);
  encoder->set_input_width_px(56);
  config.mutable_predictor()->set_num_heads(2);
  config.mutable_decoder()->set_hidden_dim(12);
  return config;
}

VideoModel MakeTinyModel(const config::ModelConfig& config, uint64_t seed,
                         WithEncoder with_encoder) {
  torch::manual_seed(seed);
  return VideoModel(config, with_encoder);
}

std::string FreshDirectory(const std::string& name) {
  // Tests run as processes of their own, several at once: each has its own folder.
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("slotmatch_", getpid()) / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.string();
}

std::string WriteTinyBackbone(const std::string& repository, const config::EncoderConfig& encoder,
                              uint64_t seed) {
  torch::manual_seed(seed);
  const Vit vit(EncoderShape(encoder).value());
  config::Manifest manifest;
  manifest.set_schema_version(1);
  manifest.set_name("tiny_vit");
  manifest.set_version("1");
  manifest.set_role("backbone");
  *manifest.mutable_model()->mutable_encoder() = encoder;
  const std::string directory = repository + "/tiny_vit/1";
  EXPECT_TRUE(
      SaveModelDirectory(directory, manifest, NamedTensors(*vit, {}), torch::kFloat16).ok());
  return directory;
}

}  // namespace slotmatch
