#include "tests/support/dataset_files.h"

#include <array>
#include <cstdio>
#include <opencv2/imgcodecs.hpp>

namespace slotmatch {
namespace {

constexpr size_t kTarBlock = 512;

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

std::string Padded(std::string text, size_t block) {
  text.resize((text.size() + block - 1) / block * block, '\0');
  return text;
}

void PutOctal(std::string* header, size_t at, int digits, uint64_t value) {
  std::array<char, 24> text;
  std::snprintf(text.data(), text.size(), "%0*llo", digits, static_cast<unsigned long long>(value));
  header->replace(at, digits, text.data(), digits);
}

std::string TarHeader(const std::string& name, size_t size) {
  std::string header(kTarBlock, '\0');
  header.replace(0, name.size(), name);
  PutOctal(&header, 100, 7, 0644);
  PutOctal(&header, 108, 7, 0);
  PutOctal(&header, 116, 7, 0);
  PutOctal(&header, 124, 11, size);
  PutOctal(&header, 136, 11, 0);
  header.replace(148, 8, "        ");
  header[156] = '0';
  header.replace(257, 8, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<uint8_t>(byte);
  PutOctal(&header, 148, 6, sum);
  header[154] = '\0';
  return header;
}

// CRC-32C bit by bit, masked as TFRecord files mask it.
uint32_t MaskedCrc(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0x82f63b78u);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

std::string NpyBytes(const std::vector<int64_t>& shape, const std::string& data,
                     const std::string& descr, bool fortran) {
  std::string sizes;
  for (const int64_t size : shape) sizes += std::to_string(size) + ", ";
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
                       sizes + "), }";
  header.resize((header.size() + 1 + 10 + 63) / 64 * 64 - 11, ' ');
  header += "\n";
  return std::string("\x93NUMPY\x01\x00", 8) + LittleEndian(header.size(), 2) + header + data;
}

std::string TarBytes(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string tar;
  for (const auto& [name, bytes] : members) {
    tar += TarHeader(name, bytes.size()) + Padded(bytes, kTarBlock);
  }
  return tar + std::string(2 * kTarBlock, '\0');
}

std::string TfRecordBytes(const std::vector<std::string>& records) {
  std::string file;
  for (const std::string& record : records) {
    const std::string length = LittleEndian(record.size(), 8);
    file +=
        length + LittleEndian(MaskedCrc(length), 4) + record + LittleEndian(MaskedCrc(record), 4);
  }
  return file;
}

std::string GrayPng(int width, int height, const std::vector<uint8_t>& labels) {
  const cv::Mat mat(height, width, CV_8UC1, const_cast<uint8_t*>(labels.data()));
  std::vector<uint8_t> png;
  cv::imencode(".png", mat, png);
  return {png.begin(), png.end()};
}

}  // namespace slotmatch
