#include "tests/unit/weights/torch_bytes.h"

#include <zlib.h>

namespace slotmatch {
namespace {

std::string Joined(const std::vector<std::string>& items) {
  std::string all;
  for (const std::string& item : items) all += item;
  return all;
}

std::string PickledInts(const std::vector<int64_t>& numbers) {
  std::vector<std::string> items;
  for (const int64_t number : numbers) items.push_back(PickledInt(number));
  return PickledTuple(items);
}

std::string Global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

// What local and central headers have in common, from the flags on.
std::string CommonHeader(const ZipEntry& entry) {
  const uint64_t size = entry.size < 0 ? entry.bytes.size() : static_cast<uint64_t>(entry.size);
  const uint64_t crc =
      entry.crc >= 0
          ? static_cast<uint64_t>(entry.crc)
          : crc32_z(0, reinterpret_cast<const Bytef*>(entry.bytes.data()), entry.bytes.size());
  return Little(entry.flags, 2) + Little(entry.method, 2) + Little(0, 4) + Little(crc, 4) +
         Little(size, 4) + Little(size, 4) + Little(entry.name.size(), 2) + Little(0, 2);
}

}  // namespace

std::string Little(uint64_t number, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes.push_back(static_cast<char>(number >> (8 * i)));
  return bytes;
}

std::string PickledText(const std::string& text) { return "X" + Little(text.size(), 4) + text; }

std::string PickledInt(int64_t number) {
  return "\x8a\x08" + Little(static_cast<uint64_t>(number), 8);
}

std::string PickledTuple(const std::vector<std::string>& items) {
  return "(" + Joined(items) + "t";
}

std::string PickledList(const std::vector<std::string>& items) {
  return "](" + Joined(items) + "e";
}

std::string PickledDict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string all = "}(";
  for (const auto& [key, value] : items) all += PickledText(key) + value;
  return all + "u";
}

std::string PickledCall(const std::string& module, const std::string& name,
                        const std::vector<std::string>& arguments) {
  return Global(module, name) + PickledTuple(arguments) + "R";
}

std::string PickledStorage(const std::string& type, const std::string& key, int64_t count) {
  return PickledTuple({PickledText("storage"), Global("torch", type), PickledText(key),
                       PickledText("cpu"), PickledInt(count)}) +
         "Q";
}

std::string PickledTensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  return PickledCall("torch._utils", "_rebuild_tensor_v2",
                     {storage, PickledInt(offset), PickledInts(shape), PickledInts(strides), "\x89",
                      PickledCall("collections", "OrderedDict", {})});
}

std::string Pickle(const std::string& value) { return "\x80\x02" + value + "."; }

std::string Zip(const std::vector<ZipEntry>& entries) {
  std::string file;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const uint64_t offset =
        entry.header_offset < 0 ? file.size() : static_cast<uint64_t>(entry.header_offset);
    file += Little(0x04034b50, 4) + Little(20, 2) + CommonHeader(entry) + entry.name + entry.bytes;
    directory += Little(0x02014b50, 4) + Little(20, 2) + Little(20, 2) + CommonHeader(entry) +
                 Little(0, 2 + 2 + 2 + 4) + Little(offset, 4) + entry.name;
  }
  const std::string end = Little(0x06054b50, 4) + Little(0, 4) + Little(entries.size(), 2) +
                          Little(entries.size(), 2) + Little(directory.size(), 4) +
                          Little(file.size(), 4) + Little(0, 2);
  return file + directory + end;
}

std::string TorchZip(const std::string& pickle, const Storages& storages) {
  std::vector<ZipEntry> entries = {{"model/data.pkl", pickle}};
  for (const auto& [key, bytes] : storages) entries.push_back({"model/data/" + key, bytes});
  entries.push_back({"model/version", "3\n"});
  return Zip(entries);
}

std::string TorchLegacy(const std::string& pickle, const std::vector<LegacyStorage>& storages,
                        int64_t version, bool little_endian) {
  std::string file = Pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  file += Pickle(PickledInt(version));
  file += Pickle(PickledDict({{"little_endian", little_endian ? "\x88" : "\x89"}}));
  std::vector<std::string> keys;
  for (const LegacyStorage& storage : storages) keys.push_back(PickledText(storage.key));
  file += pickle + Pickle(PickledList(keys));
  for (const LegacyStorage& storage : storages) {
    file += Little(static_cast<uint64_t>(storage.count), 8) + storage.bytes;
  }
  return file;
}

std::string Floats(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

}  // namespace slotmatch
