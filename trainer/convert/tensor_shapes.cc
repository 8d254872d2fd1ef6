#include "trainer/convert/tensor_shapes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

std::string Text(const Shape& shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

}  // namespace

bool TensorShapes::HasAny(const std::string& stem) const {
  const auto found = tensors_.lower_bound(prefix_ + stem);
  return found != tensors_.end() && absl::StartsWith(found->first, prefix_ + stem);
}

absl::StatusOr<Shape> TensorShapes::Get(const std::string& key, size_t rank) const {
  const auto found = tensors_.find(prefix_ + key);
  if (found == tensors_.end()) {
    return absl::DataLossError(absl::StrCat("key '", prefix_, key, "' is missing"));
  }
  const Shape& shape = found->second.shape;
  if (shape.size() != rank || std::count(shape.begin(), shape.end(), 0) > 0) {
    return absl::DataLossError(
        absl::StrCat("key '", prefix_, key, "' has shape ", Text(shape), ", not ", rank, " axes"));
  }
  return shape;
}

absl::Status TensorShapes::Require(const std::string& key, const Shape& shape) const {
  SM_ASSIGN_OR_RETURN(const Shape actual, Get(key, shape.size()));
  if (actual == shape) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("key '", prefix_, key, "' has shape ", Text(actual),
                                          " instead of ", Text(shape)));
}

absl::StatusOr<int64_t> TensorShapes::Count(const std::string& stem, const std::string& key,
                                            const Shape& shape) const {
  int64_t count = 0;
  for (; HasAny(absl::StrCat(stem, count, ".")); ++count) {
    SM_RETURN_IF_ERROR(Require(absl::StrCat(stem, count, ".", key), shape));
  }
  for (auto it = tensors_.lower_bound(prefix_ + stem);
       it != tensors_.end() && absl::StartsWith(it->first, prefix_ + stem); ++it) {
    int64_t index = 0;
    const std::string rest = it->first.substr(prefix_.size() + stem.size());
    if (absl::SimpleAtoi(rest.substr(0, rest.find('.')), &index) && index < count) continue;
    return absl::DataLossError(
        absl::StrCat("key '", it->first, "' is there, but none of '", prefix_, stem, count, ".'"));
  }
  return count;
}

}  // namespace slotmatch
