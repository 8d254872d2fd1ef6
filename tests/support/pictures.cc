#include "tests/support/pictures.h"

#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace slotmatch {
namespace {

std::string Encode(const Image& image, const char* extension, const std::vector<int>& options) {
  cv::Mat bgr(image.height, image.width, CV_8UC3);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* rgb = image.rgb.data() + (static_cast<size_t>(y) * image.width + x) * 3;
      bgr.at<cv::Vec3b>(y, x) = {rgb[2], rgb[1], rgb[0]};
    }
  }
  std::vector<uint8_t> bytes;
  cv::imencode(extension, bgr, bytes, options);
  return std::string(bytes.begin(), bytes.end());
}

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

// CRC of PNG chunks, bit by bit.
uint32_t PngCrc(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

void AppendChunk(const std::string& type_and_data, std::string* out) {
  AppendBigEndian(static_cast<uint32_t>(type_and_data.size() - 4), out);
  out->append(type_and_data);
  AppendBigEndian(PngCrc(type_and_data), out);
}

}  // namespace

Image MakePicture(int width, int height, uint32_t seed) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const double phase = 0.37 * x + 0.23 * (c + 1) * y + 1.7 * seed + c;
        image.rgb[(static_cast<size_t>(y) * width + x) * 3 + c] =
            static_cast<uint8_t>(std::lround(127.5 + 100 * std::sin(phase)));
      }
    }
  }
  return image;
}

Image MakePlainPicture(int width, int height, uint8_t r, uint8_t g, uint8_t b) {
  Image image{width, height, {}};
  for (int i = 0; i < width * height; ++i) image.rgb.insert(image.rgb.end(), {r, g, b});
  return image;
}

std::string JpegBytes(const Image& image, int quality) {
  return Encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

std::string PngBytes(const Image& image) { return Encode(image, ".png", {}); }

std::string PngHeaderBytes(uint32_t width, uint32_t height) {
  std::string header = "IHDR";
  AppendBigEndian(width, &header);
  AppendBigEndian(height, &header);
  header.append("\x08\x02\x00\x00\x00",
                5);  // 8 bits, RGB, deflate, adaptive filter, not interlaced
  std::string png("\x89PNG\r\n\x1a\n", 8);
  AppendChunk(header, &png);
  AppendChunk(std::string("IDAT\x78\x9c\x03\x00\x00\x00\x00\x01", 12), &png);
  AppendChunk("IEND", &png);
  return png;
}

}  // namespace slotmatch
