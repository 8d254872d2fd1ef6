#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace slotmatch {

// Pickles, zip archives and torch checkpoints put together byte by byte, valid or not.

// Little-endian number of `width` bytes.
std::string Little(uint64_t number, int width);

// Pieces of a pickle; each leaves one value on the stack.
std::string PickledText(const std::string& text);
std::string PickledInt(int64_t number);
std::string PickledTuple(const std::vector<std::string>& items);
std::string PickledList(const std::vector<std::string>& items);
std::string PickledDict(const std::vector<std::pair<std::string, std::string>>& items);
std::string PickledCall(const std::string& module, const std::string& name,
                        const std::vector<std::string>& arguments);
// A storage as torch.save names it: `type` is "FloatStorage", ...
std::string PickledStorage(const std::string& type, const std::string& key, int64_t count);
std::string PickledTensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);
// The whole pickle of one value, protocol 2.
std::string Pickle(const std::string& value);

struct ZipEntry {
  std::string name;
  std::string bytes;
  uint16_t method = 0;
  uint16_t flags = 0;
  int64_t crc = -1;            // of the bytes, unless another is set
  int64_t size = -1;           // claimed size, unless as it is
  int64_t header_offset = -1;  // where the directory says that the local header lies
};
std::string Zip(const std::vector<ZipEntry>& entries);

using Storages = std::vector<std::pair<std::string, std::string>>;  // key, bytes

// A checkpoint as torch.save writes it since 1.6: model/data.pkl, model/data/KEY.
std::string TorchZip(const std::string& pickle, const Storages& storages);

struct LegacyStorage {
  std::string key;
  int64_t count;
  std::string bytes;
};
// A checkpoint as torch.save wrote it before.
std::string TorchLegacy(const std::string& pickle, const std::vector<LegacyStorage>& storages,
                        int64_t version = 1001, bool little_endian = true);

// Bytes of float32 numbers.
std::string Floats(const std::vector<float>& numbers);

}  // namespace slotmatch
