#pragma once

#include <cstdint>
#include <string>

// Fields of protocol buffers, written by hand.
namespace slotmatch {

inline std::string Varint(uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<char>(number | 0x80));
  bytes.push_back(static_cast<char>(number));
  return bytes;
}
inline std::string Number(int field, uint64_t number) {
  return Varint(field << 3) + Varint(number);
}
inline std::string Field(int field, const std::string& bytes) {
  return Varint(field << 3 | 2) + Varint(bytes.size()) + bytes;
}

}  // namespace slotmatch
