#include "trainer/dist/place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

constexpr absl::StatusCode kWrong = absl::StatusCode::kFailedPrecondition;

class Place : public testing::Test {
 protected:
  Place() { Clear(); }
  ~Place() override { Clear(); }
  static void Clear() {
    for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
                             "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE"}) {
      unsetenv(name);
    }
  }
  static void Set(const char* name, const char* value) { setenv(name, value, /*overwrite=*/1); }
  static void SetAll() {
    Set("RANK", "3");
    Set("WORLD_SIZE", "4");
    Set("LOCAL_RANK", "1");
    Set("LOCAL_WORLD_SIZE", "2");
    Set("MASTER_ADDR", "10.0.0.1");
    Set("MASTER_PORT", "29500");
  }
};

TEST_F(Place, AloneWithoutWorldSize) {
  Set("RANK", "3");  // other launchers set this one for their own ends
  const auto place = PlaceFromEnvironment();
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->size, 1);
  EXPECT_TRUE(place->first());
}

TEST_F(Place, TorchrunsVariables) {
  SetAll();
  const auto place = PlaceFromEnvironment();
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(place->rank, 3);
  EXPECT_EQ(place->size, 4);
  EXPECT_EQ(place->local_rank, 1);
  EXPECT_EQ(place->local_size, 2);
  EXPECT_EQ(place->address, "10.0.0.1");
  EXPECT_EQ(place->port, 29500);
  EXPECT_FALSE(place->store_is_up);
  EXPECT_FALSE(place->first());
  Set("TORCHELASTIC_USE_AGENT_STORE", "True");
  EXPECT_TRUE(PlaceFromEnvironment()->store_is_up);
}

TEST_F(Place, OneOfOneNeedsNoAddress) {
  Set("WORLD_SIZE", "1");
  Set("RANK", "0");
  EXPECT_TRUE(PlaceFromEnvironment().ok());
}

TEST_F(Place, WhatIsWrongIsNamed) {
  struct Row {
    const char *name, *value, *fragment;
  };
  for (const Row& row :
       {Row{"WORLD_SIZE", "0", "WORLD_SIZE is '0'"},
        Row{"WORLD_SIZE", "two", "WORLD_SIZE is 'two'"},
        Row{"RANK", "4", "RANK is '4'; it has to be from 0 to 3"},
        Row{"RANK", nullptr, "RANK is not"}, Row{"MASTER_PORT", "70000", "MASTER_PORT is '70000'"},
        Row{"MASTER_PORT", nullptr, "MASTER_PORT is not"},
        Row{"MASTER_ADDR", nullptr, "MASTER_ADDR is not"},
        Row{"LOCAL_RANK", "-1", "LOCAL_RANK is '-1'"},
        Row{"LOCAL_WORLD_SIZE", "9", "LOCAL_WORLD_SIZE is '9'"}}) {
    SetAll();
    row.value == nullptr ? unsetenv(row.name) : setenv(row.name, row.value, 1);
    EXPECT_THAT(PlaceFromEnvironment().status(), FailsWith(kWrong, row.fragment)) << row.name;
  }
}

}  // namespace
}  // namespace slotmatch
