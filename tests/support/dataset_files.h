#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace slotmatch {

// Bytes of the file formats that datasets come in, for tests to write small ones.

// What numpy.save writes.
std::string NpyBytes(const std::vector<int64_t>& shape, const std::string& data,
                     const std::string& descr = "|u1", bool fortran = false);

// A ustar archive of (name, bytes).
std::string TarBytes(const std::vector<std::pair<std::string, std::string>>& members);

// A TFRecord file.
std::string TfRecordBytes(const std::vector<std::string>& records);

// An 8-bit gray PNG of label values, [height, width].
std::string GrayPng(int width, int height, const std::vector<uint8_t>& labels);

}  // namespace slotmatch
