#include "trainer/convert/checkpoint_kind.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr size_t kShownKeys = 3;

// What precedes `anchor` in the keys that end with it, at a '.'.
std::vector<std::string> PrefixesOf(const TensorMap& tensors, const std::string& anchor) {
  std::vector<std::string> prefixes;
  for (const auto& [key, view] : tensors) {
    if (!absl::EndsWith(key, anchor)) continue;
    const std::string prefix = key.substr(0, key.size() - anchor.size());
    if (prefix.empty() || prefix.back() == '.') prefixes.push_back(prefix);
  }
  return prefixes;
}

std::string SomeKeys(const TensorMap& tensors) {
  std::vector<std::string> keys;
  for (const auto& [key, view] : tensors) {
    if (keys.size() < kShownKeys) keys.push_back(key);
  }
  return keys.empty() ? "it holds no tensors"
                      : absl::StrCat("it holds ", absl::StrJoin(keys, ", "),
                                     tensors.size() > kShownKeys ? ", ..." : "");
}

std::string KindNames() {
  return absl::StrJoin(CheckpointKinds(), ", ", [](std::string* out, const CheckpointKind& row) {
    absl::StrAppend(out, row.name);
  });
}

// The kind and its prefixes; a kind that is named must be there too.
absl::StatusOr<const CheckpointKind*> FindKind(const TensorMap& tensors, const MapRequest& request,
                                               std::vector<std::string>* prefixes) {
  bool known = request.kind == "auto";
  for (const CheckpointKind& row : CheckpointKinds()) {
    if (request.kind != "auto" && request.kind != row.name) continue;
    known = true;
    *prefixes = PrefixesOf(tensors, row.anchor);
    if (!request.prefix.empty()) {
      prefixes->erase(std::remove_if(prefixes->begin(), prefixes->end(),
                                     [&](const auto& p) { return p != request.prefix; }),
                      prefixes->end());
    }
    if (!prefixes->empty()) return &row;
  }
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("--kind '", request.kind, "' is unknown; there are: auto, ", KindNames()));
  }
  return absl::DataLossError(absl::StrCat("no weights of kind ", request.kind, " (", KindNames(),
                                          ")", request.prefix.empty() ? "" : " below '",
                                          request.prefix, request.prefix.empty() ? "" : "'",
                                          " are in this file: ", SomeKeys(tensors)));
}

bool BeginsWithAny(const std::string& key, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return absl::StartsWith(key, prefix); });
}

}  // namespace

const std::vector<CheckpointKind>& CheckpointKinds() {
  static const auto& rows = *new std::vector<CheckpointKind>{
      {"video", "SlotContrast or VideoSAUR video model", "processor.module.corrector.to_q.weight",
       /*whole_model=*/true, FromVideoModel},
      {"image", "DINOSAUR image model", "processor.corrector.to_q.weight", /*whole_model=*/true,
       FromImageModel},
      {"huggingface", "backbone in Hugging Face names", "embeddings.cls_token",
       /*whole_model=*/false, FromHuggingFace},
      {"torch-hub", "backbone in torch-hub names", "mask_token", /*whole_model=*/false, FromTimm},
      {"timm", "backbone in timm names", "cls_token", /*whole_model=*/false, FromTimm},
  };
  return rows;
}

absl::StatusOr<MappedCheckpoint> MapCheckpoint(const TensorMap& tensors,
                                               const MapRequest& request) {
  MappedCheckpoint result;
  std::vector<std::string> prefixes;
  SM_ASSIGN_OR_RETURN(result.kind, FindKind(tensors, request, &prefixes));
  if (prefixes.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("this file holds ", prefixes.size(),
                                                   " sets of weights; choose one with --prefix: '",
                                                   absl::StrJoin(prefixes, "', '"), "'"));
  }
  result.prefix = prefixes.front();
  TensorMap chosen;
  std::vector<KeyUse> unused;
  for (const auto& [key, view] : tensors) {
    const bool inside = absl::StartsWith(key, result.prefix);
    const std::string name = inside ? key.substr(result.prefix.size()) : "";
    if (inside && !BeginsWithAny(name, request.ignored)) {
      chosen.emplace(name, view);
    } else {
      unused.push_back({key, ""});
    }
  }
  absl::StatusOr<MappedTensors> mapped = result.kind->map(chosen);
  if (!mapped.ok()) {
    return Annotate(mapped.status(),
                    absl::StrCat("as a ", result.kind->what, " (--ignore leaves keys out)"));
  }
  result.mapped = *std::move(mapped);
  for (KeyUse& use : result.mapped.uses) use.from = result.prefix + use.from;
  result.mapped.uses.insert(result.mapped.uses.end(), unused.begin(), unused.end());
  return result;
}

}  // namespace slotmatch
