#include "trainer/report/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/files.h"
#include "core/image/mask_codec.h"
#include "tests/support/temp_dir.h"
#include "trainer/data/tfrecord.h"

namespace slotmatch {
namespace {

std::vector<data::Event> EventsOf(const std::string& path) {
  std::vector<data::Event> events;
  const RecordListing listing = ListRecords(path).value();
  EXPECT_TRUE(listing.problem.ok()) << listing.problem;
  for (const RecordPlace& place : listing.records) {
    EXPECT_TRUE(events.emplace_back().ParseFromString(ReadRecord(path, place).value()));
  }
  return events;
}

TEST(EventFile, HoldsScalarsAndImagesByStep) {
  const TempDir folder;
  const auto file = EventFile::Create(folder.File("new/run"), 0).value();
  const std::string png = EncodePalettePng({3, 2, std::vector<uint8_t>(6, 1)});
  ASSERT_TRUE(file->AddScalars(20, {{"loss", 0.5}, {"optim/grad_norm", 2}}).ok());
  ASSERT_TRUE(file->AddImage(20, "masks/clip", png).ok());
  const std::vector<data::Event> events = EventsOf(file->path());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_GT(events[0].wall_time(), 1.6e9);
  ASSERT_EQ(events[1].summary().value_size(), 2);
  EXPECT_EQ(events[1].step(), 20);
  EXPECT_EQ(events[1].summary().value(0).tag(), "loss");
  EXPECT_FLOAT_EQ(events[1].summary().value(1).simple_value(), 2);
  const data::EventImage& image = events[2].summary().value(0).image();
  EXPECT_EQ(image.width(), 3);
  EXPECT_EQ(image.height(), 2);
  EXPECT_EQ(image.encoded(), png);
}

TEST(EventFile, ResumedRunVoidsLaterStepsOfOlderFiles) {
  const TempDir folder;
  const auto first = EventFile::Create(folder.path(), 0).value();
  const auto second = EventFile::Create(folder.path(), 40).value();
  EXPECT_NE(first->path(), second->path());
  const std::vector<data::Event> events = EventsOf(second->path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].session().status(), data::EventSession::START);
  EXPECT_EQ(events[1].step(), 41);
}

TEST(EventFile, WhatCannotBeWrittenIsAnError) {
  const TempDir folder;
  folder.Write("file", "x");
  EXPECT_EQ(EventFile::Create(folder.File("file/run"), 0).status().code(),
            absl::StatusCode::kAborted);
  const auto file = EventFile::Create(folder.path(), 0).value();
  EXPECT_EQ(file->AddImage(1, "masks", "no picture").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace slotmatch
