#include "core/weights/key_mapping.h"

#include <algorithm>
#include <optional>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status.h"
#include "core/weights/manifest.h"

namespace slotmatch {
namespace {

// What a key begins with, here and there.
struct PrefixRule {
  const char* ours;
  const char* theirs;
};
constexpr PrefixRule kHuggingFaceRules[] = {
    {"cls_token", "embeddings.cls_token"},
    {"mask_token", "embeddings.mask_token"},
    {"pos_embed", "embeddings.position_embeddings"},
    {"patch_embed.proj.", "embeddings.patch_embeddings.projection."},
    {"norm.", "layernorm."},
};
constexpr char kBlock[] = "blocks.", kHuggingFaceBlock[] = "encoder.layer.";
constexpr PrefixRule kHuggingFaceBlockRules[] = {
    // after the block's number
    {"norm1.", "norm1."},
    {"norm2.", "norm2."},
    {"attn.proj.", "attention.output.dense."},
    {"ls1.gamma", "layer_scale1.lambda1"},
    {"ls2.gamma", "layer_scale2.lambda1"},
    {"mlp.fc1.", "mlp.fc1."},
    {"mlp.fc2.", "mlp.fc2."},
};
constexpr char kQkv[] = "attn.qkv.", kHuggingFaceQkv[] = "attention.attention.";
constexpr const char* kQkvParts[] = {"query", "key", "value"};  // rows in this order

// A whole model's keys, and the same in an image model's file, which lacks ".module".
constexpr PrefixRule kModelRules[] = {
    {"initializer.", "initializer."},
    {kBackbonePrefix, "encoder.backbone.model."},
    {"encoder.module.output_transform.", "encoder.output_transform."},
    {"encoder.module.position", "encoder.position"},
    {"processor.module.corrector.", "processor.corrector."},
    {"decoder.module.", "decoder."},
    {"target_norm.", "target_norm."},
    {"grouping_head.", "grouping_head."},
};
constexpr char kPredictor[] = "processor.module.predictor.";  // video only

enum class Side { kOurs, kTheirs };
const char* At(const PrefixRule& rule, Side side) {
  return side == Side::kOurs ? rule.ours : rule.theirs;
}

// `key` with the prefix of the first rule that fits `from` replaced by the other side's.
template <typename Rules>
std::optional<std::string> Replace(const Rules& rules, Side from, const std::string& key) {
  const Side to = from == Side::kOurs ? Side::kTheirs : Side::kOurs;
  for (const PrefixRule& rule : rules) {
    const std::string prefix = At(rule, from);
    if (absl::StartsWith(key, prefix)) return At(rule, to) + key.substr(prefix.size());
  }
  return std::nullopt;
}

// "PREFIX<i>.rest" -> "<i>." and rest.
bool SplitBlock(const std::string& prefix, const std::string& key, std::string* number,
                std::string* rest) {
  if (!absl::StartsWith(key, prefix)) return false;
  const size_t dot = key.find('.', prefix.size());
  if (dot == std::string::npos) return false;
  *number = key.substr(prefix.size(), dot + 1 - prefix.size());
  *rest = key.substr(dot + 1);
  return true;
}

// Names of timm and torch-hub, which are the model's own.
bool IsVitKey(const std::string& key) {
  static const std::regex kKeys(
      "cls_token|pos_embed|mask_token|(patch_embed\\.proj|norm)\\.(weight|bias)|"
      "blocks\\.\\d+\\.(norm[12]\\.(weight|bias)|attn\\.(qkv|proj)\\.(weight|bias)|ls[12]\\.gamma|"
      "mlp\\.fc[12]\\.(weight|bias))");
  return std::regex_match(key, kKeys);
}

// Keys of a vision transformer's file that are no part of what any model here keeps: classifiers,
// and constants that an ONNX exporter made.
bool IsBesideVit(const std::string& key) {
  return absl::StartsWith(key, "head") || absl::StartsWith(key, "classifier") ||
         absl::StartsWith(key, "onnx::");
}

absl::Status NoVitKey(const std::string& key) {
  if (absl::StrContains(key, "reg_token") || absl::StrContains(key, "register_tokens")) {
    return absl::DataLossError("key '" + key +
                               "': backbones with register tokens are not supported");
  }
  return absl::DataLossError("key '" + key + "' is not one of a DINO or DINOv2 backbone");
}

void Take(const std::string& from, const std::string& to, const TensorView& view,
          MappedTensors* result) {
  if (!to.empty()) result->tensors.emplace(to, view);
  result->uses.push_back({from, to});
}

// query, key, value in this order -> one fused tensor, rows on top of each other.
absl::StatusOr<OwnedTensor> Fuse(const TensorMap& tensors, const std::string& stem,
                                 const std::string& kind) {
  OwnedTensor fused{};
  const TensorView* query = nullptr;
  for (const char* part : kQkvParts) {
    const std::string key = absl::StrCat(stem, part, ".", kind);
    const auto found = tensors.find(key);
    if (found == tensors.end()) return absl::DataLossError("key '" + key + "' is missing");
    const TensorView& view = found->second;
    if (view.shape.empty()) return absl::DataLossError("key '" + key + "' has no rows");
    if (query == nullptr) {
      query = &view;
      fused = CopyTensor(view);
      continue;
    }
    if (view.dtype != query->dtype || view.shape != query->shape) {
      return absl::DataLossError("key '" + key + "' differs in type or shape from its siblings");
    }
    fused.shape[0] += view.shape[0];
    fused.bytes.insert(fused.bytes.end(), view.bytes.begin(), view.bytes.end());
  }
  return fused;
}

// A block's "attention.attention.query.weight" and its siblings; the first of them that is there
// makes the fused tensor.
absl::Status TakeQkvPart(const TensorMap& tensors, const std::string& key, const TensorView& view,
                         const std::string& number, const std::string& part_and_kind,
                         MappedTensors* result) {
  const size_t dot = part_and_kind.find('.');
  const std::string kind = dot == std::string::npos ? "" : part_and_kind.substr(dot + 1);
  const std::string part = part_and_kind.substr(0, dot);
  const std::string to = absl::StrCat(kBlock, number, kQkv, kind);
  if (!IsVitKey(to) ||
      std::find(std::begin(kQkvParts), std::end(kQkvParts), part) == std::end(kQkvParts)) {
    return NoVitKey(key);
  }
  if (result->tensors.count(to) == 0) {
    const std::string stem = absl::StrCat(kHuggingFaceBlock, number, kHuggingFaceQkv);
    SM_ASSIGN_OR_RETURN(OwnedTensor fused, Fuse(tensors, stem, kind));
    result->made.push_back(std::make_shared<OwnedTensor>(std::move(fused)));
    result->tensors.emplace(to, result->made.back()->view());
  }
  result->uses.push_back({key, to});
  return absl::OkStatus();
}

absl::Status TakeHuggingFaceKey(const TensorMap& tensors, const std::string& key,
                                const TensorView& view, MappedTensors* result) {
  std::string number, rest;
  std::optional<std::string> to;
  if (SplitBlock(kHuggingFaceBlock, key, &number, &rest)) {
    if (absl::StartsWith(rest, kHuggingFaceQkv)) {
      return TakeQkvPart(tensors, key, view, number, rest.substr(sizeof(kHuggingFaceQkv) - 1),
                         result);
    }
    to = Replace(kHuggingFaceBlockRules, Side::kTheirs, rest);
    if (to.has_value()) to = absl::StrCat(kBlock, number, *to);
  } else {
    to = Replace(kHuggingFaceRules, Side::kTheirs, key);
  }
  if (!to.has_value() || !IsVitKey(*to)) return NoVitKey(key);
  Take(key, *to, view, result);
  return absl::OkStatus();
}

// blocks.<i>.attn.qkv.* -> query, key, value.
absl::Status SplitQkv(const std::string& key, const TensorView& view, const std::string& number,
                      const std::string& kind, MappedTensors* result) {
  if (view.shape.empty() || view.shape[0] % 3 != 0) {
    return absl::DataLossError("key '" + key + "' does not have three parts of rows");
  }
  TensorView part = view;
  part.shape[0] /= 3;
  const size_t size = view.bytes.size() / 3;
  for (size_t i = 0; i < 3; ++i) {
    part.bytes = view.bytes.subspan(i * size, size);
    Take(key, absl::StrCat(kHuggingFaceBlock, number, kHuggingFaceQkv, kQkvParts[i], ".", kind),
         part, result);
  }
  return absl::OkStatus();
}

absl::Status NoModelKey(const std::string& key, const char* what) {
  return absl::DataLossError("key '" + key + "' is not one of " + what);
}

// Whether the reference's models lack this key of ours: they end before the encoder's final norm.
bool IsBeyondEncoder(const std::string& key) {
  if (!absl::StartsWith(key, kBackbonePrefix)) return false;
  const std::string name(absl::StripPrefix(key, kBackbonePrefix));
  return name == "mask_token" || absl::StartsWith(name, "norm.") || IsBesideVit(name);
}

}  // namespace

absl::StatusOr<MappedTensors> FromTimm(const TensorMap& tensors) {
  MappedTensors result;
  for (const auto& [key, view] : tensors) {
    if (!IsVitKey(key) && !IsBesideVit(key)) return NoVitKey(key);
    Take(key, IsBesideVit(key) ? "" : key, view, &result);
  }
  return result;
}

absl::StatusOr<MappedTensors> FromHuggingFace(const TensorMap& tensors) {
  MappedTensors result;
  for (const auto& [key, view] : tensors) {
    if (IsBesideVit(key)) {
      Take(key, "", view, &result);
    } else {
      SM_RETURN_IF_ERROR(TakeHuggingFaceKey(tensors, key, view, &result));
    }
  }
  return result;
}

absl::StatusOr<MappedTensors> ToTorchHub(const TensorMap& tensors) { return FromTimm(tensors); }

absl::StatusOr<MappedTensors> ToTimm(const TensorMap& tensors) {
  SM_ASSIGN_OR_RETURN(MappedTensors result, FromTimm(tensors));
  result.tensors.erase("mask_token");
  for (KeyUse& use : result.uses) {
    if (use.to == "mask_token") use.to.clear();
  }
  return result;
}

absl::StatusOr<MappedTensors> ToHuggingFace(const TensorMap& tensors) {
  MappedTensors result;
  if (tensors.count("blocks.0.ls1.gamma") == 0) {
    return absl::FailedPreconditionError(
        "Hugging Face names are those of DINOv2; this backbone has no layer scale");
  }
  for (const auto& [key, view] : tensors) {
    if (!IsVitKey(key)) return NoVitKey(key);
    std::string number, rest;
    if (!SplitBlock(kBlock, key, &number, &rest)) {
      Take(key, Replace(kHuggingFaceRules, Side::kOurs, key).value(), view, &result);
    } else if (absl::StartsWith(rest, kQkv)) {
      SM_RETURN_IF_ERROR(SplitQkv(key, view, number, rest.substr(sizeof(kQkv) - 1), &result));
    } else {
      const std::string to = Replace(kHuggingFaceBlockRules, Side::kOurs, rest).value();
      Take(key, absl::StrCat(kHuggingFaceBlock, number, to), view, &result);
    }
  }
  return result;
}

absl::StatusOr<MappedTensors> FromVideoModel(const TensorMap& tensors) {
  MappedTensors result;
  for (const auto& [key, view] : tensors) {
    if (!Replace(kModelRules, Side::kOurs, key) && !absl::StartsWith(key, kPredictor)) {
      return NoModelKey(key, "a video model");
    }
    Take(key, IsBeyondEncoder(key) ? "" : key, view, &result);
  }
  return result;
}

absl::StatusOr<MappedTensors> ToVideoModel(const TensorMap& tensors) {
  return FromVideoModel(tensors);
}

absl::StatusOr<MappedTensors> FromImageModel(const TensorMap& tensors) {
  MappedTensors result;
  for (const auto& [key, view] : tensors) {
    const std::optional<std::string> ours = Replace(kModelRules, Side::kTheirs, key);
    if (!ours.has_value()) return NoModelKey(key, "an image model");
    Take(key, IsBeyondEncoder(*ours) ? "" : *ours, view, &result);
  }
  return result;
}

absl::StatusOr<MappedTensors> ToImageModel(const TensorMap& tensors) {
  MappedTensors result;
  for (const auto& [key, view] : tensors) {
    const std::optional<std::string> theirs = Replace(kModelRules, Side::kOurs, key);
    if (!theirs.has_value()) return NoModelKey(key, "an image model");
    Take(key, IsBeyondEncoder(key) ? "" : *theirs, view, &result);
  }
  return result;
}

}  // namespace slotmatch
