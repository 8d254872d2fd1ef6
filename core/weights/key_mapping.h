#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weights/dtype.h"
#include "core/weights/safetensors.h"

namespace slotmatch {

using TensorMap = std::map<std::string, TensorView>;

// A key of the source and the key that took it; `to` is empty when none did.
struct KeyUse {
  std::string from, to;
};

// Tensors under other names. Values never change: they are views of the source's bytes, or of
// copies in another arrangement.
struct MappedTensors {
  TensorMap tensors;
  std::vector<KeyUse> uses;                              // every key of the source
  std::vector<std::shared_ptr<const OwnedTensor>> made;  // bytes that are not the source's
};

// Names of a DINO or DINOv2 vision transformer. Ours are timm's (blocks.<i>.attn.qkv.weight, ...),
// and the final norm and the mask token come along, although no model here uses them: so the way
// back loses nothing. kDataLoss names the first key that fits none, register tokens by name.
absl::StatusOr<MappedTensors> FromTimm(const TensorMap& tensors);  // torch-hub's names are the same
absl::StatusOr<MappedTensors> FromHuggingFace(const TensorMap& tensors);
// Back again. timm has no mask token. Hugging Face has names for DINOv2 only.
absl::StatusOr<MappedTensors> ToTorchHub(const TensorMap& tensors);
absl::StatusOr<MappedTensors> ToTimm(const TensorMap& tensors);
absl::StatusOr<MappedTensors> ToHuggingFace(const TensorMap& tensors);

// Names of a whole model, video (SlotContrast, VideoSAUR) or image (DINOSAUR, whose keys lack
// ".module"). Ours are those of a video model. The encoder's final norm and mask token, which the
// reference leaves away, are not taken. kDataLoss names the first key that fits none.
absl::StatusOr<MappedTensors> FromVideoModel(const TensorMap& tensors);
absl::StatusOr<MappedTensors> FromImageModel(const TensorMap& tensors);
absl::StatusOr<MappedTensors> ToVideoModel(const TensorMap& tensors);
absl::StatusOr<MappedTensors> ToImageModel(const TensorMap& tensors);

}  // namespace slotmatch
