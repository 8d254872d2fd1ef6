#include "core/weights/key_mapping.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/float16.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

struct NameRule {
  const char* from;  // regular expression over the whole Hugging Face key
  const char* to;
};
constexpr NameRule kHuggingFaceRules[] = {
    {"embeddings\\.cls_token", "cls_token"},
    {"embeddings\\.position_embeddings", "pos_embed"},
    {"embeddings\\.patch_embeddings\\.projection\\.(weight|bias)", "patch_embed.proj.$1"},
    {"encoder\\.layer\\.(\\d+)\\.norm([12])\\.(weight|bias)", "blocks.$1.norm$2.$3"},
    {"encoder\\.layer\\.(\\d+)\\.attention\\.output\\.dense\\.(weight|bias)",
     "blocks.$1.attn.proj.$2"},
    {"encoder\\.layer\\.(\\d+)\\.layer_scale([12])\\.lambda1", "blocks.$1.ls$2.gamma"},
    {"encoder\\.layer\\.(\\d+)\\.mlp\\.fc([12])\\.(weight|bias)", "blocks.$1.mlp.fc$2.$3"},
};

// Names of timm and torch-hub, which are the model's own.
bool IsModelKey(const std::string& key) {
  static const std::regex kKeys(
      "cls_token|pos_embed|patch_embed\\.proj\\.(weight|bias)|"
      "blocks\\.\\d+\\.(norm[12]\\.(weight|bias)|attn\\.(qkv|proj)\\.(weight|bias)|ls[12]\\.gamma|"
      "mlp\\.fc[12]\\.(weight|bias))");
  return std::regex_match(key, kKeys);
}

absl::Status NoModelKey(const std::string& key) {
  return absl::DataLossError("key '" + key + "' is not one of a DINOv2 backbone");
}

bool IsIgnored(const std::string& key) {
  return key == "mask_token" || key == "embeddings.mask_token" || absl::StartsWith(key, "norm.") ||
         absl::StartsWith(key, "layernorm.") || absl::StartsWith(key, "head");
}

OwnedTensor Copy(const TensorView& view) {
  return {view.dtype, view.shape, {view.bytes.begin(), view.bytes.end()}};
}

// query, key, value of Hugging Face in this order -> one fused tensor, rows on top of each other.
absl::StatusOr<OwnedTensor> Fuse(const std::map<std::string, TensorView>& tensors,
                                 const std::string& stem, const std::string& kind) {
  OwnedTensor fused{};
  for (const char* part : {"query", "key", "value"}) {
    const std::string key = absl::StrCat(stem, part, ".", kind);
    const auto found = tensors.find(key);
    if (found == tensors.end()) return absl::DataLossError("key '" + key + "' is missing");
    const TensorView& view = found->second;
    if (view.shape.empty()) return absl::DataLossError("key '" + key + "' has no rows");
    if (fused.shape.empty()) {
      fused = Copy(view);
      continue;
    }
    if (view.dtype != fused.dtype || !std::equal(view.shape.begin() + 1, view.shape.end(),
                                                 fused.shape.begin() + 1, fused.shape.end())) {
      return absl::DataLossError("key '" + key + "' differs in type or shape from its siblings");
    }
    fused.shape[0] += view.shape[0];
    fused.bytes.insert(fused.bytes.end(), view.bytes.begin(), view.bytes.end());
  }
  return fused;
}

absl::Status MapHuggingFaceKey(const std::map<std::string, TensorView>& tensors,
                               const std::string& key, const TensorView& view,
                               BackboneKeys* result) {
  static const std::regex kQuery(
      "(encoder\\.layer\\.(\\d+)\\.attention\\.attention\\.)(query|key|value)\\.(weight|bias)");
  std::smatch match;
  if (std::regex_match(key, match, kQuery)) {
    const std::string query = absl::StrCat(match[1].str(), "query.", match[4].str());
    if (match[3] != "query" && tensors.count(query) == 0) {
      return absl::DataLossError("key '" + query + "' is missing");
    }
    if (match[3] != "query") return absl::OkStatus();  // fused when its query comes by
    SM_ASSIGN_OR_RETURN(OwnedTensor fused, Fuse(tensors, match[1], match[4]));
    result->tensors[absl::StrCat("blocks.", match[2].str(), ".attn.qkv.", match[4].str())] =
        std::move(fused);
    return absl::OkStatus();
  }
  for (const NameRule& rule : kHuggingFaceRules) {
    const std::regex from(rule.from);
    if (!std::regex_match(key, from)) continue;
    result->tensors[std::regex_replace(key, from, rule.to)] = Copy(view);
    return absl::OkStatus();
  }
  return NoModelKey(key);
}

float BFloatToFloat(uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); }

uint16_t FloatToBFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <typename T>
T Load(const uint8_t* bytes, int64_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void Store(T value, uint8_t* bytes, int64_t i) {
  std::memcpy(bytes + i * sizeof(T), &value, sizeof(T));
}

double LoadAs(DType dtype, const uint8_t* bytes, int64_t i) {
  switch (dtype) {
    case DType::kF64:
      return Load<double>(bytes, i);
    case DType::kF32:
      return Load<float>(bytes, i);
    case DType::kF16:
      return HalfToFloat(Load<uint16_t>(bytes, i));
    default:
      return BFloatToFloat(Load<uint16_t>(bytes, i));
  }
}

void StoreAs(DType dtype, double value, uint8_t* bytes, int64_t i) {
  switch (dtype) {
    case DType::kF64:
      return Store(value, bytes, i);
    case DType::kF32:
      return Store(static_cast<float>(value), bytes, i);
    case DType::kF16:
      return Store(FloatToHalf(static_cast<float>(value)), bytes, i);
    default:
      return Store(FloatToBFloat(static_cast<float>(value)), bytes, i);
  }
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16;
}

}  // namespace

absl::StatusOr<BackboneKeys> MapBackboneKeys(const std::map<std::string, TensorView>& tensors) {
  BackboneKeys result;
  const bool hugging_face = tensors.count("embeddings.cls_token") > 0;
  if (!hugging_face && tensors.count("cls_token") == 0) {
    return absl::DataLossError(
        "neither 'cls_token' nor 'embeddings.cls_token' is there: not a ViT backbone");
  }
  result.convention = hugging_face                      ? "huggingface"
                      : tensors.count("mask_token") > 0 ? "torch-hub"
                                                        : "timm";
  for (const auto& [key, view] : tensors) {
    if (IsIgnored(key)) {
      result.ignored.push_back(key);
    } else if (hugging_face) {
      SM_RETURN_IF_ERROR(MapHuggingFaceKey(tensors, key, view, &result));
    } else if (IsModelKey(key)) {
      result.tensors[key] = Copy(view);
    } else {
      return NoModelKey(key);
    }
  }
  return result;
}

OwnedTensor ConvertDType(const TensorView& tensor, DType dtype) {
  if (tensor.dtype == dtype || !IsFloat(tensor.dtype) || !IsFloat(dtype)) return Copy(tensor);
  OwnedTensor result{dtype, tensor.shape, {}};
  const int64_t count = tensor.num_elements();
  result.bytes.resize(static_cast<size_t>(count) * ByteSize(dtype));
  for (int64_t i = 0; i < count; ++i) {
    StoreAs(dtype, LoadAs(tensor.dtype, tensor.bytes.data(), i), result.bytes.data(), i);
  }
  return result;
}

}  // namespace slotmatch
