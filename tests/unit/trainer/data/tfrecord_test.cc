#include "trainer/data/tfrecord.h"

#include <gtest/gtest.h>

#include "tests/support/dataset_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

using absl::StatusCode;

TEST(MaskedCrc32c, HasTheCheckValue) {
  const uint32_t crc = 0xe3069283;  // of "123456789", RFC 3720
  EXPECT_EQ(MaskedCrc32c("123456789"), (crc >> 15 | crc << 17) + 0xa282ead8);
}

TEST(ListRecords, FindsEveryRecord) {
  TempDir folder;
  const std::string path = folder.Write("a", TfRecordBytes({"one", "", std::string(1000, 'x')}));
  const auto listing = ListRecords(path);
  ASSERT_THAT(listing, IsOk());
  EXPECT_THAT(listing->problem, IsOk());
  ASSERT_EQ(listing->records.size(), 3u);
  EXPECT_EQ(*ReadRecord(path, listing->records[0]), "one");
  EXPECT_EQ(*ReadRecord(path, listing->records[1]), "");
  EXPECT_EQ(*ReadRecord(path, listing->records[2]), std::string(1000, 'x'));
  EXPECT_THAT(ListRecords(folder.File("b")), FailsWith(absl::StatusCode::kNotFound, "/b"));
}

TEST(ListRecords, KeepsWhatLiesBeforeDamage) {
  TempDir folder;
  const std::string file = TfRecordBytes({"first record", "second record"});
  std::string damaged = file;
  damaged[28] ^= 1;  // the second length
  auto listing = ListRecords(folder.Write("a", damaged));
  EXPECT_EQ(listing->records.size(), 1u);
  EXPECT_THAT(listing->problem,
              FailsWith(StatusCode::kDataLoss, "a length's checksum is wrong at byte 28"));
  for (size_t cut = 29; cut < file.size(); ++cut) {
    listing = ListRecords(folder.Write("a", file.substr(0, cut)));
    EXPECT_EQ(listing->records.size(), 1u);
    EXPECT_THAT(listing->problem, FailsWith(StatusCode::kDataLoss, "is cut short"));
  }
}

TEST(ReadRecord, ChecksTheData) {
  TempDir folder;
  std::string file = TfRecordBytes({"first record"});
  file[15] ^= 1;
  const std::string path = folder.Write("a", file);
  const auto listing = ListRecords(path);
  EXPECT_THAT(ReadRecord(path, listing->records.at(0)),
              FailsWith(StatusCode::kDataLoss, "a record's checksum is wrong"));
  EXPECT_THAT(ReadRecord(path, {0, int64_t{1} << 40}), FailsWith(StatusCode::kDataLoss, "bytes"));
}

}  // namespace
}  // namespace slotmatch
