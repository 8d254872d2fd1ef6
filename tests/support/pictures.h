#pragma once

#include <cstdint>
#include <string>

#include "core/image/image.h"

namespace slotmatch {

// A smooth picture with some structure; another one for every seed.
Image MakePicture(int width, int height, uint32_t seed = 1);
// One colour.
Image MakePlainPicture(int width, int height, uint8_t r, uint8_t g, uint8_t b);

std::string JpegBytes(const Image& image, int quality = 95);
std::string PngBytes(const Image& image);

// A PNG file of these dimensions that holds a valid header and no pixels worth mentioning.
std::string PngHeaderBytes(uint32_t width, uint32_t height);

}  // namespace slotmatch
