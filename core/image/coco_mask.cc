#include "core/image/coco_mask.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr double kUpsampling = 5;  // the outline is walked on a grid five times as fine
constexpr double kMaxCoordinate = 1e6;
constexpr int64_t kMaxOutline = 5 * 10'000'000;

// Sets the column-major pixels [begin, end).
void Fill(int64_t begin, int64_t end, int height, int width, absl::Span<uint8_t> mask) {
  for (int64_t i = begin; i < end; ++i) mask[i % height * width + i / height] = 1;
}

struct GridPoint {
  int x, y;
};

// Walks an outline point by point on the fine grid and collects where it crosses from one pixel
// column to the next: the column-major positions at which outside and inside change.
class OutlineWalk {
 public:
  OutlineWalk(int height, int width) : height_(height), width_(width) {}

  void Line(GridPoint from, GridPoint to) {
    const int dx = std::abs(to.x - from.x), dy = std::abs(to.y - from.y);
    const bool flat = dx >= dy;
    // A line is always drawn from the same end, whichever way it is walked.
    const bool flip = flat ? from.x > to.x : from.y > to.y;
    if (flip) std::swap(from, to);
    const int steps = flat ? dx : dy;
    const double rise = flat ? to.y - from.y : to.x - from.x;
    const double slope = steps > 0 ? rise / steps : 0;
    for (int d = 0; d <= steps; ++d) {
      const int t = flip ? steps - d : d;
      const auto off = [&](int start) { return static_cast<int>(start + slope * t + 0.5); };
      Visit(flat ? GridPoint{from.x + t, off(from.y)} : GridPoint{off(from.x), from.y + t});
    }
  }

  std::vector<int64_t> TakeCrossings() {
    crossings_.push_back(int64_t{height_} * width_);
    std::sort(crossings_.begin(), crossings_.end());
    return std::move(crossings_);
  }

 private:
  void Visit(GridPoint point) {
    if (!first_ && point.x != last_.x) Cross(point);
    first_ = false;
    last_ = point;
  }

  void Cross(GridPoint point) {
    const double x = ((point.x < last_.x ? point.x : point.x - 1) + 0.5) / kUpsampling - 0.5;
    if (std::floor(x) != x || x < 0 || x > width_ - 1) return;
    double y = (std::min(point.y, last_.y) + 0.5) / kUpsampling - 0.5;
    y = std::ceil(std::clamp(y, 0.0, static_cast<double>(height_)));
    crossings_.push_back(static_cast<int64_t>(x) * height_ + static_cast<int64_t>(y));
  }

  int height_, width_;
  bool first_ = true;
  GridPoint last_{0, 0};
  std::vector<int64_t> crossings_;
};

absl::Status CheckPolygon(absl::Span<const double> xy) {
  if (xy.size() % 2 != 0) {
    return absl::DataLossError(
        absl::StrCat("a polygon has ", xy.size(), " numbers; x and y come in pairs"));
  }
  if (xy.size() < 6) {
    return absl::DataLossError(
        absl::StrCat("a polygon has ", xy.size() / 2, " points; three are needed"));
  }
  double outline = 0;
  for (size_t i = 0; i < xy.size(); ++i) {
    if (!(std::abs(xy[i]) <= kMaxCoordinate)) {
      return absl::DataLossError(absl::StrCat("polygon coordinate ", xy[i], " is no pixel"));
    }
    outline += kUpsampling * std::abs(xy[i] - xy[(i + 2) % xy.size()]) + 1;
  }
  if (outline > kMaxOutline) return absl::DataLossError("a polygon's outline is too long");
  return absl::OkStatus();
}

// From the fourth on a run is stored as its difference to the one before the last; five bits a
// character, the lowest first, with a bit that says whether more follow.
std::string CompressRuns(absl::Span<const int64_t> runs) {
  std::string text;
  for (size_t i = 0; i < runs.size(); ++i) {
    int64_t value = i > 2 ? runs[i] - runs[i - 2] : runs[i];
    for (bool more = true; more;) {
      int digit = static_cast<int>(value & 0x1f);
      value >>= 5;
      more =
          (digit & 0x10) != 0 ? value != -1 : value != 0;  // the last digit's top bit is the sign
      if (more) digit |= 0x20;
      text.push_back(static_cast<char>(digit + '0'));
    }
  }
  return text;
}

}  // namespace

absl::Status PaintRuns(absl::Span<const int64_t> runs, int height, int width,
                       absl::Span<uint8_t> mask) {
  const int64_t total = int64_t{height} * width;
  int64_t at = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] < 0 || runs[i] > total - at) {
      return absl::DataLossError(absl::StrCat("mask run ", i, " of length ", runs[i],
                                              " does not fit ", width, "x", height));
    }
    if (i % 2 == 1) Fill(at, at + runs[i], height, width, mask);
    at += runs[i];
  }
  if (at == total) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("mask runs fill ", at, " of ", total, " pixels"));
}

absl::Status PaintCompressedRuns(absl::string_view text, int height, int width,
                                 absl::Span<uint8_t> mask) {
  std::vector<int64_t> runs;
  size_t at = 0;
  while (at < text.size()) {
    int64_t value = 0;
    bool more = true;
    for (int shift = 0; more; shift += 5) {
      const int digit = at < text.size() ? text[at] - '0' : -1;
      if (digit < 0 || digit > 63 || shift > 40) {
        return absl::DataLossError(
            absl::StrCat("compressed mask runs are damaged at character ", at));
      }
      ++at;
      value |= static_cast<int64_t>(digit & 0x1f) << shift;
      more = (digit & 0x20) != 0;
      // The last digit's top bit is the sign.
      if (!more && (digit & 0x10) != 0) value -= int64_t{1} << (shift + 5);
    }
    // From the fourth on a run is stored as its difference to the one before the last.
    if (runs.size() > 2) value += runs[runs.size() - 2];
    if (value < 0 || value > int64_t{height} * width) {
      return absl::DataLossError(absl::StrCat("mask run ", runs.size(), " of length ", value,
                                              " does not fit ", width, "x", height));
    }
    runs.push_back(value);
  }
  return PaintRuns(runs, height, width, mask);
}

std::vector<std::string> EncodeCompressedRuns(const LabelMap& map, int num_slots) {
  struct Runs {
    std::vector<int64_t> lengths;
    int64_t end = 0;  // of the last one inside
  };
  std::vector<Runs> runs(num_slots);
  const int64_t total = int64_t{map.width} * map.height;
  int64_t at = 0, begin = 0;
  int label = -1;  // of the run that began there
  const auto close = [&] {
    if (label < 0 || label >= num_slots) return;
    runs[label].lengths.push_back(begin - runs[label].end);
    runs[label].lengths.push_back(at - begin);
    runs[label].end = at;
  };
  for (int x = 0; x < map.width; ++x) {
    for (int y = 0; y < map.height; ++y, ++at) {
      const int here = map.labels[static_cast<size_t>(y) * map.width + x];
      if (here == label) continue;
      close();
      label = here;
      begin = at;
    }
  }
  close();
  std::vector<std::string> texts;
  for (Runs& one : runs) {
    if (one.end < total) one.lengths.push_back(total - one.end);
    texts.push_back(CompressRuns(one.lengths));
  }
  return texts;
}

absl::Status PaintPolygon(absl::Span<const double> xy, int height, int width,
                          absl::Span<uint8_t> mask) {
  SM_RETURN_IF_ERROR(CheckPolygon(xy));
  const size_t points = xy.size() / 2;
  const auto point = [&](size_t i) {
    i %= points;
    return GridPoint{static_cast<int>(kUpsampling * xy[2 * i] + 0.5),
                     static_cast<int>(kUpsampling * xy[2 * i + 1] + 0.5)};
  };
  OutlineWalk walk(height, width);
  for (size_t i = 0; i < points; ++i) walk.Line(point(i), point(i + 1));
  const std::vector<int64_t> crossings = walk.TakeCrossings();
  for (size_t i = 1; i < crossings.size(); i += 2) {
    Fill(crossings[i - 1], crossings[i], height, width, mask);
  }
  return absl::OkStatus();
}

}  // namespace slotmatch
