#include "trainer/convert/key_report.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace slotmatch {
namespace {

constexpr size_t kShownGroups = 6;

}  // namespace

std::string SummarizeKeys(const std::vector<KeyUse>& uses) {
  size_t used = 0, renamed = 0, left_out = 0;
  std::map<std::string, size_t> groups;  // left out, by the first part of the key
  for (const KeyUse& use : uses) {
    if (use.to.empty()) {
      ++left_out;
      ++groups[use.from.substr(0, use.from.find('.'))];
    } else {
      ++used;
      if (use.to != use.from) ++renamed;
    }
  }
  std::string line = absl::StrCat(uses.size(), " keys: ", used, " used, ", renamed,
                                  " of them renamed; ", left_out, " left out");
  if (left_out == 0) return line;
  std::vector<std::string> shown;
  for (const auto& [group, count] : groups) {
    if (shown.size() < kShownGroups) shown.push_back(absl::StrCat(group, " ", count));
  }
  return absl::StrCat(line, " (", absl::StrJoin(shown, ", "),
                      groups.size() > kShownGroups ? ", ..." : "", ")");
}

std::string ListKeys(const std::vector<KeyUse>& uses) {
  std::string text;
  for (const KeyUse& use : uses) {
    if (use.to.empty()) {
      absl::StrAppend(&text, "left out ", use.from, "\n");
    } else if (use.to == use.from) {
      absl::StrAppend(&text, "used ", use.from, "\n");
    } else {
      absl::StrAppend(&text, "renamed ", use.from, " -> ", use.to, "\n");
    }
  }
  return text;
}

}  // namespace slotmatch
