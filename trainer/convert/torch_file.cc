#include "trainer/convert/torch_file.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/model/model_io.h"

namespace slotmatch {
namespace {

// The version whose layout the reference's checkpoints have.
constexpr char kLightningVersion[] = "1.9.5";

c10::IValue StateDict(const TensorMap& tensors) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::TensorType::get());
  for (const auto& [key, view] : tensors) dict.insert(key, ToTorch(view));
  return dict;
}

c10::IValue Checkpoint(const LightningState& state, const c10::IValue& state_dict) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::AnyType::get());
  dict.insert("epoch", state.epoch);
  dict.insert("global_step", state.global_step);
  dict.insert("pytorch-lightning_version", std::string(kLightningVersion));
  dict.insert("state_dict", state_dict);
  return dict;
}

std::string Serialize(const c10::IValue& value) {
  std::string pickle, file;
  // Without type tags: they are a function of TorchScript, which torch.load(weights_only) refuses.
  torch::jit::Pickler pickler([&](const char* bytes, size_t size) { pickle.append(bytes, size); },
                              nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(value);
  pickler.stop();
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* bytes, size_t size) {
    file.append(static_cast<const char*>(bytes), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  size_t index = 0;
  for (const torch::Tensor& tensor : pickler.tensorData()) {
    writer.writeRecord(absl::StrCat("data/", index++), tensor.data_ptr(), tensor.nbytes());
  }
  writer.writeEndOfFile();
  return file;
}

}  // namespace

absl::Status WriteTorchFile(const std::string& path, const TensorMap& tensors,
                            const std::optional<LightningState>& lightning) {
  const c10::IValue state_dict = StateDict(tensors);
  return WriteFileAtomically(
      path, Serialize(lightning.has_value() ? Checkpoint(*lightning, state_dict) : state_dict));
}

}  // namespace slotmatch
