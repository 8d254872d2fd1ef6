#include "core/image/mask_codec.h"

#include <png.h>

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

constexpr int kPaletteSize = 256;
constexpr int64_t kMaxMaskPixels = int64_t{1} << 30;  // as many as a server can be set to accept

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

// Reads a varint at *at; false when it is cut short or longer than 64 bits.
bool ReadVarint(absl::string_view bytes, size_t* at, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && *at < bytes.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[(*at)++]);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

void AppendPng(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), size);
}

struct PngInput {
  absl::string_view bytes;
  size_t at = 0;
};

void ReadPng(png_structp png, png_bytep data, png_size_t size) {
  auto* input = static_cast<PngInput*>(png_get_io_ptr(png));
  if (input->bytes.size() - input->at < size) png_error(png, "cut short");
  std::memcpy(data, input->bytes.data() + input->at, size);
  input->at += size;
}

void IgnoreWarning(png_structp, png_const_charp) {}
void JumpBack(png_structp png, png_const_charp) {
  png_longjmp(png, 1);
}  // without a line on stderr

// libpng reports errors by longjmp: nothing with a destructor may live between here and it.
bool DecodeRows(png_structp png, png_infop info, PngInput* input, LabelMap* map) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_read_fn(png, input, ReadPng);
  png_read_info(png, info);
  const bool eight_bit = png_get_bit_depth(png, info) <= 8 && png_get_channels(png, info) == 1;
  if (!eight_bit || png_get_interlace_type(png, info) != PNG_INTERLACE_NONE) return false;
  png_set_packing(png);
  png_read_update_info(png, info);
  map->width = static_cast<int>(png_get_image_width(png, info));
  map->height = static_cast<int>(png_get_image_height(png, info));
  map->labels.resize(static_cast<size_t>(map->width) * map->height);
  for (int y = 0; y < map->height; ++y) {
    png_read_row(png, map->labels.data() + static_cast<size_t>(y) * map->width, nullptr);
  }
  return true;
}

}  // namespace

std::string EncodeIndexRle(const LabelMap& map) {
  std::string out;
  size_t start = 0;
  for (size_t i = 1; i <= map.labels.size(); ++i) {
    if (i < map.labels.size() && map.labels[i] == map.labels[start]) continue;
    out.push_back(static_cast<char>(map.labels[start]));
    AppendVarint(i - start, &out);
    start = i;
  }
  return out;
}

absl::StatusOr<LabelMap> DecodeIndexRle(absl::string_view bytes, int width, int height) {
  if (width <= 0 || height <= 0 || int64_t{width} * height > kMaxMaskPixels) {
    return absl::DataLossError(absl::StrCat("a mask cannot be ", width, "x", height));
  }
  const size_t total = static_cast<size_t>(width) * static_cast<size_t>(height);
  LabelMap map{width, height, {}};
  map.labels.reserve(total);
  size_t at = 0;
  while (at < bytes.size()) {
    const auto label = static_cast<uint8_t>(bytes[at++]);
    uint64_t run = 0;
    if (!ReadVarint(bytes, &at, &run) || run == 0 || run > total - map.labels.size()) {
      return absl::DataLossError(absl::StrCat("mask runs do not fit ", width, "x", height));
    }
    map.labels.insert(map.labels.end(), run, label);
  }
  if (map.labels.size() != total) {
    return absl::DataLossError(
        absl::StrCat("mask runs fill ", map.labels.size(), " of ", total, " pixels"));
  }
  return map;
}

std::string EncodePalettePng(const LabelMap& map) {
  std::string out;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, JumpBack, IgnoreWarning);
  png_infop info = png_create_info_struct(png);
  std::array<png_color, kPaletteSize> palette;
  for (int i = 0; i < kPaletteSize; ++i) {
    const Rgb color = PaletteColor(i);
    palette[i] = {color.r, color.g, color.b};
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_write_fn(png, &out, AppendPng, nullptr);
    png_set_compression_level(png, 1);  // labels are long runs: level 9 is 10x slower, 15 % smaller
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_IHDR(png, info, map.width, map.height, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(png, info, palette.data(), kPaletteSize);
    png_write_info(png, info);
    for (int y = 0; y < map.height; ++y) {
      png_write_row(png,
                    const_cast<png_bytep>(map.labels.data()) + static_cast<size_t>(y) * map.width);
    }
    png_write_end(png, nullptr);
  }
  png_destroy_write_struct(&png, &info);
  return out;
}

absl::StatusOr<LabelMap> DecodePalettePng(absl::string_view bytes) {
  PngInput input{bytes};
  LabelMap map;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, JumpBack, IgnoreWarning);
  png_set_user_limits(png, 16384, 16384);
  png_infop info = png_create_info_struct(png);
  const bool ok = DecodeRows(png, info, &input, &map);
  png_destroy_read_struct(&png, &info, nullptr);
  if (!ok) return absl::DataLossError("not a one-channel, 8-bit, non-interlaced PNG, or damaged");
  return map;
}

// Bit i of the three lowest label bits goes to the top bits of r, g, b, then the next three bits.
Rgb PaletteColor(int label) {
  Rgb color{0, 0, 0};
  for (int shift = 7; shift >= 0 && label > 0; --shift, label >>= 3) {
    color.r |= static_cast<uint8_t>((label & 1) << shift);
    color.g |= static_cast<uint8_t>(((label >> 1) & 1) << shift);
    color.b |= static_cast<uint8_t>(((label >> 2) & 1) << shift);
  }
  return color;
}

}  // namespace slotmatch
