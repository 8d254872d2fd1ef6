#include "trainer/data/json_masks.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/image/coco_mask.h"
#include "trainer/data/dataset.h"

namespace slotmatch {
namespace {

using nlohmann::json;

template <typename T>
absl::StatusOr<std::vector<T>> Numbers(const json& list) {
  std::vector<T> numbers;
  numbers.reserve(list.size());
  for (const json& value : list) {
    const bool fits = std::is_integral_v<T> ? value.is_number_integer() : value.is_number();
    if (!fits) return absl::DataLossError("a segmentation holds something else than numbers");
    numbers.push_back(value.get<T>());
  }
  return numbers;
}

absl::Status PaintPolygons(const json& polygons, const LabelMap& map, absl::Span<uint8_t> mask) {
  for (const json& polygon : polygons) {
    if (!polygon.is_array()) return absl::DataLossError("a polygon is not a list");
    SM_ASSIGN_OR_RETURN(const std::vector<double> xy, Numbers<double>(polygon));
    SM_RETURN_IF_ERROR(PaintPolygon(xy, map.height, map.width, mask));
  }
  return absl::OkStatus();
}

absl::Status PaintRle(const json& rle, const LabelMap& map, absl::Span<uint8_t> mask) {
  const auto size = rle.find("size"), counts = rle.find("counts");
  if (size == rle.end() || counts == rle.end()) {
    return absl::DataLossError("a run-length mask needs \"size\" and \"counts\"");
  }
  if (*size != json::array({map.height, map.width})) {
    return absl::DataLossError(absl::StrCat("a mask has size ", size->dump(), ", its frame [",
                                            map.height, ",", map.width, "]"));
  }
  if (counts->is_string()) {
    return PaintCompressedRuns(counts->get_ref<const std::string&>(), map.height, map.width, mask);
  }
  if (!counts->is_array()) {
    return absl::DataLossError("\"counts\" is neither a list nor a string");
  }
  SM_ASSIGN_OR_RETURN(const std::vector<int64_t> runs, Numbers<int64_t>(*counts));
  return PaintRuns(runs, map.height, map.width, mask);
}

}  // namespace

absl::Status AddObject(const json& segmentation, uint8_t id, LabelMap* map) {
  if (segmentation.is_null()) return absl::OkStatus();
  std::vector<uint8_t> mask(map->labels.size());
  if (segmentation.is_array()) {
    SM_RETURN_IF_ERROR(PaintPolygons(segmentation, *map, absl::MakeSpan(mask)));
  } else if (segmentation.is_object()) {
    SM_RETURN_IF_ERROR(PaintRle(segmentation, *map, absl::MakeSpan(mask)));
  } else {
    return absl::DataLossError("a segmentation is neither null, a list nor an object");
  }
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) map->labels[i] = map->labels[i] == 0 ? id : kOverlapLabel;
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
